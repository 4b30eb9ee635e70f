package bridge_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/embedded"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/codec/ws"
)

// patience bounds every wait of a property test; it is never reached unless something hangs.
const patience = 60 * time.Second

// socket is an Outlet whose client is a test goroutine: it takes what the
// session has whenever it likes to.
type socket struct {
	t       *testing.T
	session bridge.Session
	woken   chan struct{}
	ended   atomic.Value

	room   int
	frames [][]byte
}

func (s *socket) Wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}
func (s *socket) Resume()                         { s.Wake() }
func (s *socket) End(_ codec.Code, reason string) { s.ended.Store(reason); s.Wake() }
func (s *socket) RemoteAddr() string              { return "192.0.2.1:1" }
func (s *socket) Room() bool                      { return s.room > 0 }
func (s *socket) Append(add func([]byte) []byte) {
	s.room--
	s.frames = append(s.frames, add(nil))
}
func (s *socket) Shared(f *ws.Frame) {
	s.room--
	s.frames = append(s.frames, f.Payload())
}

// open attaches a session and waits for it.
func open(t *testing.T, start func(bridge.Outlet, bridge.Opened) func()) *socket {
	t.Helper()
	s := &socket{t: t, woken: make(chan struct{}, 1)}
	opened := make(chan error, 1)
	start(s, func(session bridge.Session, err error) {
		s.session = session
		opened <- err
	})
	select {
	case err := <-opened:
		if err != nil {
			t.Errorf("open: %v", err)
			return nil
		}
	case <-time.After(patience):
		t.Error("open: no answer")
		return nil
	}
	return s
}

// take returns up to n frames, waiting for at least one; nil when over comes first or the session ended.
func (s *socket) take(n int, over <-chan time.Time) [][]byte {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		s.room, s.frames = n, nil
		s.session.Fill(s)
		if len(s.frames) > 0 {
			if len(s.frames) == n {
				s.Wake() // there may be more, which the contract announces by room, not by Wake
			}
			return s.frames
		}
		select {
		case <-s.woken:
			if why := s.ended.Load(); why != nil {
				s.t.Errorf("session ended: %s", why)
				return nil
			}
		case <-over:
			return nil
		case <-late.C:
			s.t.Error("nothing came")
			return nil
		}
	}
}

// pushedMessage is what a client reads of a frame.
type pushedMessage struct {
	MessageID       string `json:"messageId"`
	Payload         string `json:"payload"`
	RedeliveryCount int    `json:"redeliveryCount"`
	Result          string `json:"result"`
}

func parse(t *testing.T, frame []byte) (m pushedMessage, number int) {
	t.Helper()
	if err := json.Unmarshal(frame, &m); err != nil {
		t.Fatalf("frame %q: %v", frame, err)
	}
	payload, _ := base64.StdEncoding.DecodeString(m.Payload)
	number, _ = strconv.Atoi(string(payload))
	return m, number
}

func (s *socket) handle(format string, args ...any) {
	if err := s.session.Handle([]byte(fmt.Sprintf(format, args...))); err != nil {
		s.t.Errorf("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

// publisher numbers messages and knows the ids of those that were confirmed.
type publisher struct {
	s  *socket
	mu sync.Mutex
	// ids of the confirmed messages, by number
	ids  []string
	sent atomic.Int64
}

func newPublisher(t *testing.T, b *bridge.Bridge, topic string) *publisher {
	return &publisher{s: open(t, func(o bridge.Outlet, d bridge.Opened) func() {
		return b.Produce(bridge.ProducerSpec{Topic: topic}, o, d)
	})}
}

// publish sends the next number and waits for its confirmation.
func (p *publisher) publish(t *testing.T) {
	n := p.sent.Add(1) - 1
	p.s.handle(`{"payload":%q}`, base64.StdEncoding.EncodeToString([]byte(strconv.FormatInt(n, 10))))
	frames := p.s.take(1, nil)
	if len(frames) == 0 {
		return
	}
	m, _ := parse(t, frames[0])
	if m.Result != "ok" {
		t.Errorf("publish %d: %s", n, frames[0])
	}
	p.mu.Lock()
	p.ids = append(p.ids, m.MessageID)
	p.mu.Unlock()
}

func (p *publisher) confirmed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ids)
}

func (p *publisher) id(t *testing.T, n int) codec.MessageID {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, err := codec.ParseMessageID([]byte(p.ids[n]))
	if err != nil {
		t.Error(err)
	}
	return id
}

// TestReadersSeeEveryMessageOnce lets readers of all kinds come, dawdle and go
// while messages are published. Whatever a reader shares with others, it must
// read consecutive numbers from where it started, up to the last.
func TestReadersSeeEveryMessageOnce(t *testing.T) {
	up := embedded.New(embedded.Options{})
	defer up.Close()
	// A ring of a few frames, so that slow readers fall out of it all the time.
	b := bridge.New(up, bridge.Options{TailBytes: 2000, Linger: 5 * time.Millisecond})
	defer b.Close()
	const topic, total, clients = "persistent://public/default/readers", 1500, 12
	p := newPublisher(t, b, topic)
	defer p.s.session.Close()

	var work sync.WaitGroup
	for c := range clients {
		work.Add(1)
		go func() {
			defer work.Done()
			random := rand.New(rand.NewPCG(1, uint64(c)))
			for {
				leave := 1 + random.IntN(400) // messages until this reader leaves
				if p.confirmed() == total || c == 0 {
					leave = total + 1 // stays to the end
				}
				if readSome(t, b, p, random, topic, total, leave) || t.Failed() {
					return
				}
			}
		}()
	}
	for range total {
		p.publish(t)
	}
	work.Wait()
	waitGauges(t, b, func(g bridge.Gauges) bool { return g.ReaderSessions == 0 && g.UpstreamReaders == 0 && g.Tails == 0 })
}

// readSome is the life of one reader; it reports that the last message was read.
func readSome(t *testing.T, b *bridge.Bridge, p *publisher, random *rand.Rand, topic string, total, leave int) bool {
	spec := bridge.ReaderSpec{Topic: topic, Queue: 1 + random.IntN(100)}
	before := p.confirmed()
	low, high := 0, 0 // the first number must be among these
	switch kind := random.IntN(3); {
	case kind == 0 || before == 0:
		spec.Start = bridge.StartEarliest
	case kind == 1:
		n := random.IntN(before)
		spec.Start, spec.Position = bridge.StartAtPosition, p.id(t, n)
		low, high = n+1, n+1
	default:
		spec.Start = bridge.StartLatest
		low = before
	}
	o := bridge.ReadOptions{Window: 1 + random.IntN(50)}
	s := open(t, func(out bridge.Outlet, d bridge.Opened) func() { return b.Read(spec, o, out, d) })
	if s == nil {
		return true
	}
	defer s.session.Close()
	if spec.Start == bridge.StartLatest {
		// What was under way while it opened may belong to either side.
		high = int(p.sent.Load())
	}
	if low >= total || spec.Start == bridge.StartLatest && high >= total {
		return true
	}
	next := -1
	for leave > 0 {
		frames := s.take(1+random.IntN(30), nil)
		if frames == nil {
			return true
		}
		for _, f := range frames {
			m, n := parse(t, f)
			if next < 0 && (n < low || n > high) {
				t.Errorf("%+v: the first message is %d, want %d to %d", spec, n, low, high)
				return true
			}
			if next >= 0 && n != next {
				t.Errorf("%+v: message %d came where %d was due", spec, n, next)
				return true
			}
			next = n + 1
			leave--
			s.handle(`{"messageId":%q}`, m.MessageID)
			if n == total-1 {
				return true
			}
		}
		if random.IntN(10) == 0 { // dawdle while the others go on
			for seen, i := p.confirmed(), 0; i < 20 && p.confirmed() < min(seen+50, total); i++ {
				time.Sleep(time.Millisecond)
			}
		}
	}
	return false
}

// TestSharedMessagesAreAllAcknowledged lets consumers of a Shared subscription
// come, acknowledge, refuse and die while messages are published. Every message
// must be acknowledged in the end, none may come again after that, and one that comes
// again after its session died must say so.
func TestSharedMessagesAreAllAcknowledged(t *testing.T) {
	for _, kind := range []bridge.SubscriptionType{bridge.Shared, bridge.KeyShared, bridge.Failover, bridge.Exclusive} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			acknowledgeAll(t, kind)
		})
	}
}

func acknowledgeAll(t *testing.T, kind bridge.SubscriptionType) {
	up := embedded.New(embedded.Options{})
	defer up.Close()
	b := bridge.New(up, bridge.Options{Linger: -1})
	defer b.Close()
	const topic, total = "persistent://public/default/shared", 1000
	clients := 6
	if kind == bridge.Exclusive {
		clients = 1
	}
	spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: kind, Earliest: true, Queue: 20}
	p := newPublisher(t, b, topic)
	defer p.s.session.Close()

	var mu sync.Mutex
	acked := map[int]bool{}
	// Where one consumer is active, a redelivery brings back all that is not
	// acknowledged, and an acknowledgement may cross with it.
	nacks := kind == bridge.Shared || kind == bridge.KeyShared
	over := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(acked) == total
	}
	work := sync.WaitGroup{}
	for c := range clients {
		work.Add(1)
		go func() {
			defer work.Done()
			random := rand.New(rand.NewPCG(2, uint64(c)))
			for !t.Failed() && !over() {
				o := bridge.ConsumeOptions{Window: 1 + random.IntN(30), NackDelay: time.Duration(3+random.IntN(20)) * time.Millisecond}
				s := open(t, func(out bridge.Outlet, d bridge.Opened) func() { return b.Consume(spec, o, out, d) })
				if s == nil {
					return
				}
				for life := random.IntN(100); life > 0; {
					// A session that gets nothing more dies: it, or another, may hold
					// what the rest is waiting for.
					frames := s.take(1+random.IntN(10), time.After(50*time.Millisecond))
					if frames == nil {
						break
					}
					for _, f := range frames {
						life--
						m, n := parse(t, f)
						mu.Lock()
						again := acked[n]
						act := random.IntN(10)
						if !again && act > 2 {
							acked[n] = true
						}
						mu.Unlock()
						switch {
						case again:
							t.Errorf("message %d came again after it was acknowledged", n)
						case act == 0 || act <= 2 && !nacks: // forget it: it is unacknowledged when the session dies
						case act <= 2:
							s.handle(`{"type":"negativeAcknowledge","messageId":%q}`, m.MessageID)
						default:
							s.handle(`{"messageId":%q}`, m.MessageID)
						}
					}
				}
				s.session.Close()
			}
		}()
	}
	for range total {
		p.publish(t)
	}
	work.Wait()
	mu.Lock()
	defer mu.Unlock()
	if len(acked) != total {
		t.Errorf("%d of %d messages were acknowledged", len(acked), total)
	}
	waitGauges(t, b, func(g bridge.Gauges) bool {
		return g.ConsumerSessions == 0 && g.UpstreamConsumers == 0 && g.Unacked == 0
	})
}

func waitGauges(t *testing.T, b *bridge.Bridge, want func(bridge.Gauges) bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !want(b.Gauges()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("left behind: %+v", b.Gauges())
		}
	}
}
