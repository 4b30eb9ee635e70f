package pulsar

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// TestWindows has consumers that take nothing on a topic with large messages: what brokers may send them keeps within what [Windows] allows,
// beyond what each has for itself, and what is granted and held is counted until it is delivered.
func TestWindows(t *testing.T) {
	const size, messages, consumers = 1 << 20, 30, 3
	var want []string
	for i := range messages {
		want = append(want, text(i)+strings.Repeat("x", size))
	}
	for _, test := range []struct {
		name        string
		limit       int
		least, most int // messages that are granted and held for one consumer
	}{
		{"plenty", 64 << 20, 10, 17},
		{"some", 5 << 20, 4, 6},
		{"none", 0, 1, firstWindow},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := fakebroker.Start(t)
			windows := &windowsOf{limit: test.limit}
			c := newClient(t, Options{ServiceURL: b.URL(), Windows: windows})
			var all []*Consumer
			var in []*inbox
			for i := range consumers {
				on := topic + text(i)
				for _, s := range want {
					publishText(b, on, s)
				}
				in = append(in, newInbox(t))
				all = append(all, openWithout(t, c, on, earliest(wire.Exclusive), in[i]))
				in[i].permits.Permit(firstWindow)
			}
			for i, x := range all {
				in[i].awaitAll(want[:firstWindow]...)
				eventually(t, "what was granted", func() bool {
					x.mu.Lock()
					defer x.mu.Unlock()
					n, _ := x.held.size()
					return n >= int64(test.least) && n+max(x.flows.out, 0) <= int64(test.most) && x.flows.out <= n/2
				})
			}
			if n := windows.taken.Load(); n > int64(consumers*test.most*(size+2*entryOverhead)) || n < int64(consumers*test.least*size-consumers*freeWindow) {
				t.Errorf("%d bytes are counted", n)
			}
			for i, x := range all {
				in[i].permits.Permit(1000)
				if got := in[i].awaitAll(want...); !slices.Equal(got, want) {
					t.Error("not what was sent")
				}
				closeConsumer(t, x)
			}
			if n := windows.taken.Load(); n != 0 {
				t.Errorf("%d bytes are counted in the end", n)
			}
		})
	}
}

// TestSmallWindows counts nothing for small messages: their windows are what each consumer has for itself.
func TestSmallWindows(t *testing.T) {
	b := fakebroker.Start(t)
	windows := &windowsOf{}
	c := newClient(t, Options{ServiceURL: b.URL(), Windows: windows})
	for _, s := range texts(0, 2000) {
		publishText(b, topic, s)
	}
	in := newInbox(t)
	x := openConsumer(t, c, topic, earliest(wire.Shared), in)
	in.awaitAll(texts(0, 2000)...)
	if n := windows.most.Load(); n != 0 {
		t.Errorf("%d bytes were counted", n)
	}
	closeConsumer(t, x)
}
