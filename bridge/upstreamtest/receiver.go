package upstreamtest

import (
	"sync"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// inbox is a receiver that keeps what it gets. It finds calls at the same
// time, calls after Close and deliveries without a permit.
type inbox struct {
	s     *suite
	calls sync.Mutex   // held during a call
	feed  chan arrival // takes the messages of several inboxes; nil: kept in messages
	index int          // of this inbox among them

	mu        sync.Mutex
	came      *sync.Cond
	messages  []*codec.Message // not yet taken by next
	permitted int
	delivered int
	lost      error
	closed    bool
	fault     string
}

// arrival is a message and the index of the inbox it came to.
type arrival struct {
	*codec.Message
	index int
}

func (s *suite) inbox() *inbox {
	in := &inbox{s: s}
	in.came = sync.NewCond(&in.mu)
	return in
}

// Deliver implements [bridge.Receiver].
func (in *inbox) Deliver(m *codec.Message) {
	if !in.calls.TryLock() {
		in.report("the receiver was called twice at the same time")
	} else {
		defer in.calls.Unlock()
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.delivered++
	if in.delivered > in.permitted {
		in.fault = "a message was delivered without a permit"
	}
	if in.closed {
		in.fault = "a message was delivered after Close"
	}
	if in.feed != nil {
		in.feed <- arrival{m, in.index}
		return
	}
	in.messages = append(in.messages, m)
	in.came.Broadcast()
}

// Lost implements [bridge.Receiver].
func (in *inbox) Lost(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		in.fault = "Lost was called after Close"
	}
	in.lost = err
	in.came.Broadcast()
}

func (in *inbox) report(fault string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.fault = fault
}

// next waits for the next message.
func (in *inbox) next() *codec.Message {
	in.s.Helper()
	stop := in.wakeAtDeadline()
	defer stop()
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.messages) == 0 && in.lost == nil && in.s.ctx.Err() == nil {
		in.came.Wait()
	}
	if in.fault != "" {
		in.s.Fatal(in.fault)
	}
	if len(in.messages) == 0 {
		in.s.Fatalf("no message came; lost: %v", in.lost)
	}
	m := in.messages[0]
	in.messages = in.messages[1:]
	return m
}

func (in *inbox) wakeAtDeadline() (stop func()) {
	done := make(chan struct{})
	go func() {
		select {
		case <-in.s.ctx.Done():
			in.mu.Lock()
			in.came.Broadcast()
			in.mu.Unlock()
		case <-done:
		}
	}()
	return func() { close(done) }
}

// expect waits for exactly these payloads, in order, and returns the messages.
func (in *inbox) expect(texts ...string) []*codec.Message {
	in.s.Helper()
	out := make([]*codec.Message, 0, len(texts))
	for i, text := range texts {
		m := in.next()
		if string(m.Payload) != text {
			in.s.Fatalf("message %d of %q: got %q, redelivered %d times", i, texts, m.Payload, m.RedeliveryCount)
		}
		out = append(out, m)
	}
	return out
}

// grant notes and gives permits.
func (in *inbox) grant(to interface{ Permit(int) }, n int) {
	in.mu.Lock()
	in.permitted += n
	in.mu.Unlock()
	to.Permit(n)
}

// end closes what delivers here, and checks what has been seen.
func (in *inbox) end(what interface{ Close() }) {
	in.s.Helper()
	what.Close()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	if in.fault != "" {
		in.s.Error(in.fault)
	}
}

// member is a consumer and its inbox.
type member struct {
	*inbox
	bridge.Consumer
	ended bool
}

// subscribe opens a consumer with defaults for what the case does not name; it is
// closed at the end.
func (s *suite) subscribe(spec bridge.ConsumerSpec, permits int) *member {
	s.Helper()
	m, err := s.trySubscribe(spec)
	s.check(err, "subscribe "+spec.Subscription)
	if permits > 0 {
		m.grant(permits)
	}
	return m
}

func (s *suite) trySubscribe(spec bridge.ConsumerSpec) (*member, error) {
	if spec.Queue == 0 {
		spec.Queue = 100
	}
	if spec.RedeliveryTick == 0 {
		spec.RedeliveryTick = redeliveryTick
	}
	m := &member{inbox: s.inbox()}
	var err error
	m.Consumer, err = s.up.Subscribe(s.ctx, spec, m.inbox)
	if err == nil {
		s.Cleanup(m.leave)
	}
	return m, err
}

func (m *member) grant(n int) { m.inbox.grant(m.Consumer, n) }

// leave closes the consumer once.
func (m *member) leave() {
	if !m.ended {
		m.ended = true
		m.inbox.end(m.Consumer)
	}
}

// ack acknowledges messages.
func (m *member) ack(messages ...*codec.Message) {
	for _, msg := range messages {
		m.Ack(msg.ID)
	}
}

// tail is a reader and its inbox.
type tail struct {
	*inbox
	bridge.Reader
}

func (s *suite) read(spec bridge.ReaderSpec, permits int) *tail {
	s.Helper()
	if spec.Queue == 0 {
		spec.Queue = 100
	}
	r := &tail{inbox: s.inbox()}
	var err error
	r.Reader, err = s.up.OpenReader(s.ctx, spec, r.inbox)
	s.check(err, "open a reader on "+spec.Topic)
	s.Cleanup(func() { r.inbox.end(r.Reader) })
	if permits > 0 {
		r.grant(permits)
	}
	return r
}

func (r *tail) grant(n int) { r.inbox.grant(r.Reader, n) }
