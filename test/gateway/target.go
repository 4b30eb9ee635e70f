package gateway

import (
	"context"
	"maps"
	"os"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/test/pulsar"
)

// EnvTarget names the environment variable that says what Target starts: "pulsegate", which is the default, or "java", the
// WebSocket proxy that comes with Pulsar. It shows whether a test that fails asks for more than Java does.
const EnvTarget = "PULSEGATE_TEST_TARGET"

// Server is a WebSocket server in front of a cluster, as tests see it that do not care which one it is.
type Server interface {
	// URL is where sessions are opened, such as ws://127.0.0.1:23456. It stays the same over restarts.
	URL() string
	// Kill ends the process as kill -9 does and returns once it is gone.
	Kill()
	// Start runs it again and returns once it is ready. The test fails when that does not happen.
	Start()
}

// OnCluster starts a gateway in front of a cluster. conf is added to its configuration.
func OnCluster(t testing.TB, c *pulsar.Cluster, conf map[string]string) *Gateway {
	t.Helper()
	all := map[string]string{
		"clusterName": c.ClusterName(), "brokerServiceUrl": c.BrokerURL(), "serviceUrl": c.AdminURL(),
	}
	maps.Copy(all, conf)
	return Start(t, Options{Conf: all})
}

// Target starts the server that EnvTarget names in front of a cluster, until the test ends. conf is added to its
// configuration; both servers read the same keys.
func Target(t testing.TB, c *pulsar.Cluster, conf map[string]string) Server {
	t.Helper()
	switch name := os.Getenv(EnvTarget); name {
	case "", "pulsegate":
		return OnCluster(t, c, conf)
	case "java":
		p, err := c.StartProxy(t.Context(), conf)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("the proxy's log ends with:\n%s", p.Log())
			}
			if err := p.Stop(); err != nil {
				t.Error(err)
			}
		})
		return &javaProxy{t, p}
	default:
		t.Fatalf("%s=%s: neither pulsegate nor java", EnvTarget, name)
		return nil
	}
}

// javaProxy is a pulsar.Proxy whose restart fails the test instead of returning an error.
type javaProxy struct {
	t testing.TB
	*pulsar.Proxy
}

func (p *javaProxy) Start() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*time.Minute)
	defer cancel()
	if err := p.Proxy.Start(ctx); err != nil {
		p.t.Fatal(err)
	}
}
