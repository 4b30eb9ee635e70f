package pulsar

import (
	"context"
	"errors"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
)

// One consumer over many topics leaves places for others, and all of them together
// none that a consumer on a single topic needs.
func TestPace(t *testing.T) {
	u := &Upstream{many: make(chan struct{}, paceMany)}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	// full takes places until there is none left.
	full := func(p pace) (leaves []func()) {
		for {
			ctx := t.Context()
			if len(p.own) == cap(p.own) || p.many != nil && len(p.many) == cap(p.many) {
				ctx = ended
			}
			leave, err := p.enter(ctx, "subscribe")
			if err != nil {
				if e := (*bridge.Error)(nil); !errors.As(err, &e) {
					t.Errorf("the refusal is %v", err)
				}
				return leaves
			}
			leaves = append(leaves, leave)
		}
	}
	first := full(u.newPace(true))
	if len(first) != paceTopics || paceTopics >= paceMany {
		t.Errorf("one consumer opens %d topics at a time, of %d that all may", len(first), paceMany)
	}
	second := full(u.newPace(true))
	if n := len(first) + len(second); n != paceMany {
		t.Errorf("two consumers open %d topics at a time", n)
	}
	third := u.newPace(true)
	if leaves := full(third); len(leaves) != 0 || len(third.own) != 0 {
		t.Errorf("a third opens %d, and keeps %d places that it does not use", len(leaves), len(third.own))
	}
	if leaves := full(u.newPace(false)); len(leaves) != pacePartitions {
		t.Errorf("beside them one on a single topic opens %d partitions at a time", len(leaves))
	}
	first[0]()
	if leaves := full(third); len(leaves) != 1 {
		t.Errorf("a place that is left goes to %d", len(leaves))
	}
}
