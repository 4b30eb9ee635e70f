//go:build pulsar

package pulsar

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/sharingtest"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// envSharing names the environment variable that says how long TestSharing goes
// on, such as 10m.
const envSharing = "PULSEGATE_TEST_SHARING"

// TestSharing runs the properties of what sessions share on a real broker.
func TestSharing(t *testing.T) {
	long := time.Minute
	if text := os.Getenv(envSharing); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", envSharing, err)
		}
	}
	c := pulsartest.Shared(t)
	ns := c.Namespace(t)
	sharingtest.Run(t, sharingtest.Env{
		Upstream: func(t testing.TB) bridge.Upstream {
			return newUpstream(t, Options{BrokerServiceURL: c.BrokerURL(), AdminURL: c.AdminURL()})
		},
		Topic: func(testing.TB) string { return "persistent://" + ns + "/" + pulsartest.Name("sharing") },
		Partition: func(t testing.TB, _ bridge.Upstream, topic string, n int) {
			if err := c.Admin.CreatePartitionedTopic(context.Background(), topic, n); err != nil {
				t.Fatal(err)
			}
		},
		Messages: 300,
		Quiet:    1500 * time.Millisecond,
		For:      long,

		LeavesOut: true,
	})
}
