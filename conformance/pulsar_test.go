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
// passes what is not marked Better, and fails what is. The marks are those of one
// release; with another, the proxy is only the peer of the cases that want one.
func TestCluster(t *testing.T) {
	broker, java := targets.OnCluster(t, pulsar.Shared(t))
	t.Run("broker", func(t *testing.T) { runTable(t, broker, conformance.Table()) })
	if marked(t) {
		t.Run("java", func(t *testing.T) { runTable(t, java, conformance.Table()) })
	}
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
	if marked(t) {
		t.Run("java", func(t *testing.T) { runTable(t, java, conformance.SecurityTable()) })
	}
}

// marked reports whether the Java proxy is the one that the table's marks are about.
func marked(t *testing.T) bool {
	version, err := pulsar.Version()
	if err != nil {
		t.Fatal(err)
	}
	return version == pulsar.DefaultVersion
}
