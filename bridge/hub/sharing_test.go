package hub_test

import (
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/embedded"
	"github.com/pulsegate/pulsegate/bridge/sharingtest"
)

// TestSharing runs the properties of what sessions share on embedded topics.
func TestSharing(t *testing.T) {
	sharingtest.Run(t, sharingtest.Env{
		Upstream: func(testing.TB) bridge.Upstream { return embedded.New(embedded.Options{}) },
		Topic:    func(testing.TB) string { return "persistent://public/default/sharing" },
		Partition: func(t testing.TB, up bridge.Upstream, topic string, n int) {
			if err := up.(*embedded.Upstream).CreatePartitionedTopic(topic, n); err != nil {
				t.Fatal(err)
			}
		},
		Messages: 1000,
		Quiet:    50 * time.Millisecond,
	})
}
