//go:build pulsar

package conformance_test

import (
	"testing"

	"github.com/pulsegate/pulsegate/conformance"
	"github.com/pulsegate/pulsegate/conformance/targets"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

func TestMain(m *testing.M) { pulsar.Main(m) }

// TestCluster runs the table on pulsegate on a real broker, which has to pass all
// of it, and on the Java proxy on the same broker, which keeps the table honest: it
// passes what is not marked Better, and fails what is.
func TestCluster(t *testing.T) {
	broker, java := targets.OnCluster(t, pulsar.Shared(t))
	t.Run("broker", func(t *testing.T) { runTable(t, broker, conformance.Table()) })
	t.Run("java", func(t *testing.T) { runTable(t, java, conformance.Table()) })
}

// TestSecurity runs the part of the table that needs a broker which demands tokens
// and permissions.
func TestSecurity(t *testing.T) {
	cluster, err := targets.StartSecure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	broker, java := targets.OnSecureCluster(t, cluster)
	t.Run("broker", func(t *testing.T) { runTable(t, broker, conformance.SecurityTable()) })
	t.Run("java", func(t *testing.T) { runTable(t, java, conformance.SecurityTable()) })
}
