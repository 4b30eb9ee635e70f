package embedded

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testTopic = "persistent://public/default/t"

// patience bounds how long a test waits for an event.
const patience = 20 * time.Second

func start(t *testing.T, o Options) *Upstream {
	t.Helper()
	u := New(o)
	t.Cleanup(u.Close)
	return u
}

// inbox is a Receiver that keeps what it gets and fails the test if it is
// called twice at a time.
type inbox struct {
	t       *testing.T
	inside  atomic.Bool
	got     chan *codec.Message
	lost    chan error
	deliver func(*codec.Message) // called from Deliver, if set
}

func newInbox(t *testing.T) *inbox {
	return &inbox{t: t, got: make(chan *codec.Message, 100_000), lost: make(chan error, 10)}
}

func (b *inbox) Deliver(m *codec.Message) {
	if b.inside.Swap(true) {
		b.t.Error("Deliver is called twice at a time")
	}
	b.got <- m
	if b.deliver != nil {
		b.deliver(m)
	}
	b.inside.Store(false)
}

func (b *inbox) Lost(err error) { b.lost <- err }

func (b *inbox) next() *codec.Message {
	b.t.Helper()
	select {
	case m := <-b.got:
		return m
	case <-time.After(patience):
		b.t.Fatal("no message came")
		return nil
	}
}

// take checks that these payloads come next.
func (b *inbox) take(want ...string) []*codec.Message {
	b.t.Helper()
	var ms []*codec.Message
	for _, w := range want {
		m := b.next()
		if string(m.Payload) != w {
			b.t.Fatalf("got %q, want %q of %q", m.Payload, w, want)
		}
		ms = append(ms, m)
	}
	return ms
}

// takeAny checks that these payloads come next, in any order.
func (b *inbox) takeAny(want ...string) []*codec.Message {
	b.t.Helper()
	missing := map[string]int{}
	for _, w := range want {
		missing[w]++
	}
	var ms []*codec.Message
	for range want {
		m := b.next()
		if missing[string(m.Payload)]--; missing[string(m.Payload)] < 0 {
			b.t.Fatalf("got %q, which is not (any more) among %q", m.Payload, want)
		}
		ms = append(ms, m)
	}
	return ms
}

// empty checks that nothing has come. settle has to be called before.
func (b *inbox) empty() {
	b.t.Helper()
	select {
	case m := <-b.got:
		b.t.Fatalf("got %q (%+v), want nothing", m.Payload, m.ID)
	default:
	}
}

// settle waits until all that the upstream has to deliver now is delivered: a
// message through a topic of its own would overtake others, so it looks inside.
func settle(t *testing.T, u *Upstream) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		u.mu.Lock()
		busy := len(u.ready) > 0
		for c := range u.consumers {
			busy = busy || c.busy
		}
		for r := range u.readers {
			busy = busy || r.busy
		}
		for p := range u.producers {
			busy = busy || p.busy
		}
		u.mu.Unlock()
		if !busy {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the upstream does not come to rest")
		}
		time.Sleep(time.Millisecond)
	}
}

func produce(t *testing.T, u *Upstream, spec bridge.ProducerSpec) *sender {
	t.Helper()
	if spec.Topic == "" {
		spec.Topic = testTopic
	}
	p, err := u.CreateProducer(context.Background(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return &sender{t, p}
}

// sender is a producer with answers to wait for.
type sender struct {
	t *testing.T
	bridge.Producer
}

type answer struct {
	id  codec.MessageID
	err error
}

type answerChan chan answer

func (c answerChan) Sent(id codec.MessageID, err error) { c <- answer{id, err} }

func (s *sender) try(m *bridge.Outgoing) (codec.MessageID, error) {
	s.t.Helper()
	c := make(answerChan, 1)
	s.Send(m, c)
	select {
	case a := <-c:
		return a.id, a.err
	case <-time.After(patience):
		s.t.Fatal("Send was not answered")
		return codec.MessageID{}, nil
	}
}

func (s *sender) send(payloads ...string) []codec.MessageID {
	s.t.Helper()
	var ids []codec.MessageID
	for _, p := range payloads {
		ids = append(ids, s.sendMessage(&bridge.Outgoing{Payload: []byte(p)}))
	}
	return ids
}

func (s *sender) sendKeyed(key, payload string) codec.MessageID {
	s.t.Helper()
	return s.sendMessage(&bridge.Outgoing{Payload: []byte(payload), Key: key, HasKey: true})
}

func (s *sender) sendMessage(m *bridge.Outgoing) codec.MessageID {
	s.t.Helper()
	id, err := s.try(m)
	if err != nil {
		s.t.Fatalf("publishing %.20q: %v", m.Payload, err)
	}
	return id
}

// numbers are the payloads "from" … "to-1".
func numbers(from, to int) []string {
	var s []string
	for i := from; i < to; i++ {
		s = append(s, strconv.Itoa(i))
	}
	return s
}

// testConsumer is a consumer with its inbox.
type testConsumer struct {
	*inbox
	bridge.Consumer
}

func trySubscribe(t *testing.T, u *Upstream, spec bridge.ConsumerSpec, permits int) (*testConsumer, error) {
	t.Helper()
	if spec.Topic == "" && spec.Topics == "" && spec.TopicsPattern == "" {
		spec.Topic = testTopic
	}
	if spec.Subscription == "" {
		spec.Subscription = "s"
	}
	in := newInbox(t)
	c, err := u.Subscribe(context.Background(), spec, in)
	if err != nil {
		return nil, err
	}
	c.Permit(permits)
	return &testConsumer{in, c}, nil
}

func subscribe(t *testing.T, u *Upstream, spec bridge.ConsumerSpec, permits int) *testConsumer {
	t.Helper()
	c, err := trySubscribe(t, u, spec, permits)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *testConsumer) ack(ms ...*codec.Message) {
	for _, m := range ms {
		c.Ack(m.ID)
	}
}

func (c *testConsumer) nack(ms ...*codec.Message) {
	var ids []codec.MessageID
	for _, m := range ms {
		ids = append(ids, m.ID)
	}
	c.Redeliver(ids)
}

type testReader struct {
	*inbox
	bridge.Reader
}

func read(t *testing.T, u *Upstream, spec bridge.ReaderSpec, permits int) *testReader {
	t.Helper()
	if spec.Topic == "" {
		spec.Topic = testTopic
	}
	in := newInbox(t)
	r, err := u.OpenReader(context.Background(), spec, in)
	if err != nil {
		t.Fatal(err)
	}
	r.Permit(permits)
	return &testReader{in, r}
}

func wantKind(t *testing.T, err, kind error) {
	t.Helper()
	var e *bridge.Error
	if !errors.Is(err, kind) || !errors.As(err, &e) || e.Detail == "" {
		t.Fatalf("got error %v, want one of kind %v with a detail", err, kind)
	}
}

func backlog(t *testing.T, u *Upstream, topic, sub string) int64 {
	t.Helper()
	st, err := u.TopicStats(topic)
	if err != nil {
		t.Fatal(err)
	}
	s, ok := st.Subscriptions[sub]
	if !ok {
		t.Fatalf("no subscription %s on %s", sub, topic)
	}
	return s.Backlog
}

func payload(m *codec.Message) string { return string(m.Payload) }
