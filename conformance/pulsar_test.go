//go:build pulsar

package conformance_test

import (
	"testing"

	"github.com/pulsegate/pulsegate/conformance/targets"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

func TestMain(m *testing.M) { pulsar.Main(m) }

// TestCluster runs the table on pulsegate on a real broker, which has to pass all
// of it, and on the Java proxy on the same broker, which keeps the table honest: it
// passes what is not marked Better, and fails what is.
func TestCluster(t *testing.T) {
	broker, java := targets.OnCluster(t, pulsar.Shared(t))
	t.Run("broker", func(t *testing.T) { runTable(t, broker) })
	t.Run("java", func(t *testing.T) { runTable(t, java) })
}
