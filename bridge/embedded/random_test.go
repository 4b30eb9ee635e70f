package embedded

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// world is what a random run has seen of one subscription.
type world struct {
	t   *testing.T
	typ bridge.SubscriptionType

	mu    sync.Mutex
	acked map[string]bool
	seen  map[string]int            // deliveries of each payload
	last  map[string]int            // by key, Key_Shared: the newest first delivery
	held  map[string]map[*actor]int // by key, Key_Shared: messages in an actor's hands
	left  int                       // not acknowledged
}

// actor is a consumer that acknowledges, gives back or sits on what it gets.
// Its receiver only notes; act, on one goroutine, decides.
type actor struct {
	w  *world
	c  bridge.Consumer
	mu sync.Mutex
	// waiting is what was delivered and not decided on.
	waiting []*codec.Message
	leaving bool // guarded by w.mu
}

func (a *actor) Lost(err error) { a.w.t.Errorf("lost: %v", err) }

func (a *actor) Deliver(m *codec.Message) {
	w := a.w
	w.mu.Lock()
	p := string(m.Payload)
	// Partitions change their active Failover consumer whenever one comes or
	// goes; what the former one still acknowledges may be on its way already.
	if w.acked[p] && !(w.typ == bridge.Failover && m.ID.Partition >= 0) {
		w.t.Errorf("%s: %s was acknowledged and came again", w.typ, p)
	}
	w.seen[p]++
	var n int
	_, _ = fmt.Sscanf(p, "%d", &n)
	if w.typ == bridge.KeyShared && w.seen[p] == 1 {
		if n < w.last[m.Key] {
			w.t.Errorf("%s: the first delivery of %d came behind %d of the same key", w.typ, n, w.last[m.Key])
		}
		w.last[m.Key] = n
	}
	if w.typ == bridge.KeyShared && !a.leaving {
		if w.held[m.Key] == nil {
			w.held[m.Key] = map[*actor]int{}
		}
		w.held[m.Key][a]++
		if len(w.held[m.Key]) > 1 {
			w.t.Errorf("%s: %s came while another consumer had messages of its key", w.typ, p)
		}
	}
	w.mu.Unlock()
	a.mu.Lock()
	a.waiting = append(a.waiting, m)
	a.mu.Unlock()
}

// drop notes that a message is about to leave the actor's hands.
func (a *actor) drop(m *codec.Message) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	if of := a.w.held[m.Key]; of[a] > 1 {
		of[a]--
	} else {
		delete(of, a)
	}
}

// leave closes the consumer.
func (a *actor) leave() {
	a.w.mu.Lock()
	a.leaving = true
	for _, of := range a.w.held {
		delete(of, a)
	}
	a.w.mu.Unlock()
	a.c.Close()
}

// act decides on some of what is waiting; finish acknowledges all.
func (a *actor) act(r *rand.Rand, finish bool) {
	a.mu.Lock()
	n := len(a.waiting)
	if !finish {
		n = r.IntN(n + 1)
	}
	some := slices.Clone(a.waiting[:n])
	a.waiting = a.waiting[n:]
	a.mu.Unlock()
	var again []codec.MessageID
	for _, m := range some {
		a.drop(m)
		if !finish && r.IntN(4) == 0 {
			again = append(again, m.ID)
			continue
		}
		a.c.Ack(m.ID)
		a.w.mu.Lock()
		if p := string(m.Payload); !a.w.acked[p] {
			a.w.acked[p] = true
			a.w.left--
		}
		a.w.mu.Unlock()
	}
	if len(again) > 0 {
		a.c.Redeliver(again)
	}
	a.c.Permit(len(some))
}

// TestRandomLives lets consumers come, acknowledge, give back and go while
// several producers publish. Every message is acknowledged in the end, nothing
// acknowledged is delivered again, and a key's messages come in order.
func TestRandomLives(t *testing.T) {
	for _, typ := range []bridge.SubscriptionType{bridge.Exclusive, bridge.Shared, bridge.Failover, bridge.KeyShared} {
		for _, partitions := range []int{0, 3} {
			t.Run(fmt.Sprintf("%s-%d", typ, partitions), func(t *testing.T) { randomLives(t, typ, partitions) })
		}
	}
}

func randomLives(t *testing.T, typ bridge.SubscriptionType, partitions int) {
	const senders, each = 3, 400
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	u := start(t, Options{})
	if partitions > 0 {
		if err := u.CreatePartitionedTopic(testTopic, partitions); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, typ: typ, acked: map[string]bool{}, seen: map[string]int{}, last: map[string]int{}, held: map[string]map[*actor]int{}, left: senders * each}
	spec := bridge.ConsumerSpec{Topic: testTopic, Subscription: "s", Type: typ, Earliest: true}

	var publishing sync.WaitGroup
	for s := range senders {
		p := produce(t, u, bridge.ProducerSpec{
			Routing: bridge.RoundRobinPartition, Batching: s > 0, BatchingMaxPending: 5, BatchingMaxDelay: time.Millisecond,
		})
		publishing.Go(func() {
			answers := make(answerChan, each)
			r := rand.New(rand.NewPCG(seed, uint64(s)))
			for i := range each {
				key := fmt.Sprintf("%d-%d", s, r.IntN(5))
				p.Send(&bridge.Outgoing{Payload: fmt.Appendf(nil, "%d of %d", i, s), Key: key, HasKey: true}, answers)
			}
			for range each {
				if a := <-answers; a.err != nil {
					t.Error(a.err)
				}
			}
			p.Close()
		})
	}

	most := 4
	if typ == bridge.Exclusive {
		most = 1
	}
	var consuming sync.WaitGroup
	stop := make(chan struct{})
	for n := range most {
		consuming.Go(func() { w.lives(u, spec, rand.New(rand.NewPCG(seed, uint64(100+n))), stop) })
	}
	publishing.Wait()
	end := time.After(patience)
	for done := false; !done; {
		w.mu.Lock()
		done = w.left == 0
		left := w.left
		w.mu.Unlock()
		select {
		case <-end:
			t.Errorf("%d messages are not acknowledged", left)
			done = true
		case <-time.After(time.Millisecond):
		}
	}
	close(stop)
	consuming.Wait()
	if n := backlog(t, u, testTopic, "s"); n != 0 && !t.Failed() {
		t.Errorf("backlog %d, want 0", n)
	}
}

// lives is one consumer's life after the other.
func (w *world) lives(u *Upstream, spec bridge.ConsumerSpec, r *rand.Rand, stop chan struct{}) {
	for life := 0; ; life++ {
		a := &actor{w: w}
		c, err := u.Subscribe(context.Background(), spec, a)
		if err != nil {
			w.t.Error(err)
			return
		}
		a.c = c
		c.Permit(1 + r.IntN(50))
		steps := 5 + r.IntN(40)
		for step := 0; life > 10 || step < steps; step++ {
			select {
			case <-stop:
				a.leave()
				return
			default:
			}
			a.act(r, life > 10)
			time.Sleep(time.Duration(r.IntN(300)) * time.Microsecond)
		}
		a.leave()
	}
}
