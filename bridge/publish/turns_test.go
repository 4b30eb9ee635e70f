package publish

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	"github.com/pulsegate/pulsegate/codec"
)

// mixedUpstream answers publishes at once and later, in turn.
type mixedUpstream struct {
	*bridgetest.Upstream
	later chan bridge.SendDone

	sent    atomic.Int64
	pending atomic.Int64 // not answered
	most    atomic.Int64 // of them
	mu      sync.Mutex
	next    map[string]int // what comes next of each session
	mixed   []string       // what came when it was not its turn
}

func (u *mixedUpstream) CreateProducer(context.Context, bridge.ProducerSpec) (bridge.Producer, error) {
	return &mixedProducer{&bridgetest.Producer{}, u}, nil
}

type mixedProducer struct {
	*bridgetest.Producer
	u *mixedUpstream
}

func (p *mixedProducer) NewSender() bridge.Sender { return p }

func (p *mixedProducer) Send(m *bridge.Outgoing, done bridge.SendDone) {
	u := p.u
	n := u.pending.Add(1)
	for most := u.most.Load(); n > most && !u.most.CompareAndSwap(most, n); most = u.most.Load() {
	}
	u.mu.Lock()
	if want := fmt.Sprint(u.next[m.Key]); string(m.Payload) != want {
		u.mixed = append(u.mixed, fmt.Sprintf("%s of session %s, want %s", m.Payload, m.Key, want))
	}
	u.next[m.Key]++
	u.mu.Unlock()
	if u.sent.Add(1)%3 == 0 {
		u.pending.Add(-1)
		done.Sent(codec.MessageID{}, nil)
	} else {
		u.later <- done
	}
}

// However sessions and answers mix, each session's publishes leave in order, all
// leave, and never more are on their way than there are places.
func TestTurns(t *testing.T) {
	const sessions, publishes, places = 20, 500, 8
	u := &mixedUpstream{Upstream: &bridgetest.Upstream{}, later: make(chan bridge.SendDone, sessions*publishes), next: map[string]int{}}
	ps := newProducers(t, u, options{MaxInFlight: publishes + 1})
	var answering sync.WaitGroup
	for range 3 {
		answering.Go(func() {
			for done := range u.later {
				u.pending.Add(-1)
				done.Sent(codec.MessageID{}, nil)
			}
		})
	}
	var outlets []*bridgetest.Outlet
	var publishing sync.WaitGroup
	for i := range sessions {
		o := produce(t, ps, bridge.ProducerSpec{Topic: topic, MaxPending: places})
		outlets = append(outlets, o)
		publishing.Go(func() {
			for n := range publishes {
				payload := base64.StdEncoding.EncodeToString([]byte(fmt.Sprint(n)))
				if err := o.Session.Handle(fmt.Appendf(nil, `{"payload":"%s","key":"%d"}`, payload, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	publishing.Wait()
	waitFor(t, "all publishes to be sent and answered", func() bool {
		return u.sent.Load() == sessions*publishes && u.pending.Load() == 0
	})
	close(u.later)
	answering.Wait()
	for _, o := range outlets {
		if got := o.Fill(2 * publishes); len(got) != publishes || strings.Contains(strings.Join(got, ""), "send-error") {
			t.Errorf("%d answers", len(got))
		}
	}
	e := outlets[0].Session.(*session).e
	if free := e.turns.free.Load(); free != places || u.most.Load() > places {
		t.Errorf("%d places are free of %d; %d were in use", free, places, u.most.Load())
	}
	if len(u.mixed) > 0 {
		t.Errorf("out of order: %d, like %s", len(u.mixed), u.mixed[0])
	}
	if len(e.turns.waiting) > 0 || e.turns.owned {
		t.Errorf("%d wait, owned: %t", len(e.turns.waiting), e.turns.owned)
	}
}
