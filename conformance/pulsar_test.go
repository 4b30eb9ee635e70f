//go:build pulsar

package conformance

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/test/pulsar"
)

func TestMain(m *testing.M) { pulsar.Main(m) }

// TestJava keeps the table honest: the Java proxy passes what is not marked
// Better, and fails what is.
func TestJava(t *testing.T) {
	cluster := pulsar.Shared(t)
	runTable(t, &Target{Kind: Java, Start: func(c Conf) (Endpoint, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ep := Endpoint{Admin: cluster.AdminURL(), Binary: cluster.BrokerURL()}
		ep.Peer = os.Getenv("CONF_PEER")
		if dev := os.Getenv("CONF_JAVA"); dev != "" && c == nil {
			ep.HTTP = dev
			return ep, nil
		}
		p, err := cluster.StartProxy(ctx, c)
		if err != nil {
			return ep, err
		}
		ep.HTTP = p.HTTPURL()
		return ep, nil
	}})
}
