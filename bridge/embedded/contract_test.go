package embedded

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/upstreamtest"
)

// TestContract runs the cases that every upstream has to pass. A new upstream
// is made for the last group: the functions below serve the first one.
func TestContract(t *testing.T) {
	var first *Upstream
	newUpstream := func(testing.TB) bridge.Upstream {
		u := New(Options{})
		if first == nil {
			first = u
		}
		return u
	}
	var last atomic.Int64
	name := func(testing.TB) string { return fmt.Sprintf("%s-%d", testTopic, last.Add(1)) }
	upstreamtest.Run(t, newUpstream, upstreamtest.Env{
		Topic: name,
		Admin: true,
		Partitioned: func(t testing.TB, n int) string {
			topic := name(t)
			if err := first.CreatePartitionedTopic(topic, n); err != nil {
				t.Fatal(err)
			}
			return topic
		},
		Missing: func(testing.TB) string { return "persistent://public/no-such-namespace/t" },
		Terminate: func(t testing.TB, topic string) {
			if _, err := first.Terminate(topic); err != nil {
				t.Fatal(err)
			}
		},
	})
}
