package bridge

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/memory"
)

// Produce attaches a session that publishes.
func (b *Bridge) Produce(spec ProducerSpec, out Outlet, done Opened) (cancel func()) {
	spec = b.limits.Load().within(spec)
	return b.open(func(ctx context.Context) (Session, error) {
		e, err := b.producerFor(ctx, spec)
		if err != nil {
			return nil, err
		}
		s := &producerSession{e: e, out: out}
		s.stats = b.stats.producer(e.spec.Topic, out)
		return s, nil
	}, done)
}

// producerSession is one session on a producerEntry.
//
// mu guards outbox, results, closed and released. An outbox has one owner at a time, so
// publishes leave in the order they came. inFlight counts
// what the client has not been sent the answer of (outbox, with the upstream and results),
// which is what bounds the session: at Options.MaxInFlight publishes, at
// MaxInFlightBytes of memory or at what Options.Memory allows, its socket is not read.
type producerSession struct {
	e     *producerEntry
	up    Sender   // the outbox's owner's, as is the next
	upOf  Producer // what up is a sender of
	out   Outlet
	stats *producerCounters

	inFlight      atomic.Int64 // publishes received whose answer is not written
	inFlightBytes atomic.Int64 // the memory they take, see publishMemory
	unanswered    atomic.Int64 // publishes received that the upstream has not answered
	stopped       atomic.Bool  // Full has said so, and Resume is owed

	mu       sync.Mutex
	outbox   outbox
	results  []sendResult // answers not yet written
	closed   bool
	released bool // the entry was given back

	writing []sendResult // taken from results by Fill, which alone touches it
}

// publish is one message on its way; it receives its own outcome.
type publish struct {
	s     *producerSession
	since time.Time
	bytes int64 // of memory
	req   codec.SendRequest
}

// publishMemory is what a publish takes in memory, in bytes, by the length of its
// frame: the decoded payload, which is three quarters of it, and a copy of that on its
// way to the broker.
func publishMemory(frame []byte) int64 { return int64(len(frame)) * 3 / 2 }

// sendResult is an answer: ok when code is 0.
type sendResult struct {
	id         codec.MessageID
	code       codec.Code
	detail     string
	context    string
	hasContext bool
	bytes      int64
}

func (s *producerSession) Handle(frame []byte) error {
	p := &publish{s: s, since: time.Now()}
	err := s.decode(frame, &p.req)
	if err == nil {
		err = s.e.b.publishRoom(publishMemory(frame))
	}
	if err != nil {
		var fault *codec.Error
		if !errors.As(err, &fault) {
			fault = &codec.Error{Code: codec.CodeUnknown, Detail: err.Error()}
		}
		if r, ok := codec.DecodeAuthResponse(frame); ok && renew(s.out, r) {
			return nil
		}
		s.carry(int64(len(frame)))
		s.answer(sendResult{
			code: fault.Code, detail: fault.Detail, context: p.req.Context, hasContext: p.req.HasContext, bytes: int64(len(frame)),
		})
		s.e.b.stats.publishFailed(s.stats, fault.Code)
		return nil
	}
	p.bytes = publishMemory(frame)
	s.carry(p.bytes)
	s.unanswered.Add(1)
	s.mu.Lock()
	own := s.outbox.put(p)
	s.mu.Unlock()
	if own && s.e.handOver(s, false) {
		s.e.handOut() // a place may have become free meanwhile
	}
	return nil
}

// publishRoom fails if n more bytes of publishes are more than all sessions may
// have together.
func (b *Bridge) publishRoom(n int64) error {
	most := b.limits.Load().MaxPublishBytes
	if most <= 0 || b.opts.Memory.Held(memory.Publishes)+n <= most {
		return nil
	}
	b.tellPublishLimit()
	return &codec.Error{Code: codec.CodeUnknown, Detail: "the publishes of all sessions take the memory that they may (webSocketPulsarClientMemoryLimitInMB)"}
}

// carry counts one publish more whose answer is to be written.
func (s *producerSession) carry(bytes int64) {
	s.inFlight.Add(1)
	s.inFlightBytes.Add(bytes)
	s.e.b.opts.Memory.Take(memory.Publishes, int(bytes))
}

// unload counts one publish less: its answer is written.
func (s *producerSession) unload(bytes int64) {
	s.e.b.opts.Memory.Take(memory.Publishes, -int(bytes))
	s.inFlightBytes.Add(-bytes)
	s.inFlight.Add(-1)
}

// decode reads a frame. What a client that encrypts by itself says of its message
// is checked here, where it can be answered.
func (s *producerSession) decode(frame []byte, req *codec.SendRequest) error {
	if err := codec.DecodeSend(frame, req); err != nil {
		return err
	}
	if s.e.spec.ClientEncryption == "" {
		return nil
	}
	_, _, _, err := req.Encrypted()
	return err
}

// Sent takes the upstream's answer to one publish.
func (p *publish) Sent(id codec.MessageID, err error) {
	s := p.s
	r := sendResult{id: id, context: p.req.Context, hasContext: p.req.HasContext, bytes: p.bytes}
	reg := &s.e.b.stats
	if err != nil {
		r.code, r.detail = codeOf(err), err.Error()
		reg.publishFailed(s.stats, r.code)
		s.e.failed(err)
	} else {
		reg.published(s.stats, int64(len(p.req.Payload)), time.Since(p.since))
	}
	s.answer(r)
	s.e.turns.free.Add(1)
	s.e.handOut()
	if s.unanswered.Add(-1) == 0 {
		s.releaseIfDone()
	}
}

// answer queues a reply for the client.
func (s *producerSession) answer(r sendResult) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.results = append(s.results, r)
	s.mu.Unlock()
	s.out.Wake()
}

// Fill writes the answers. An answer that is written makes room for another
// publish.
func (s *producerSession) Fill(w Writer) {
	var r *sendResult
	add := func(dst []byte) []byte {
		if r.code == 0 {
			return codec.AppendSendOK(dst, r.id, r.context, r.hasContext)
		}
		return codec.AppendSendError(dst, r.code, r.detail, r.context, r.hasContext)
	}
	for w.Room() {
		if len(s.writing) == 0 {
			s.mu.Lock()
			s.writing, s.results = s.results, nil
			s.mu.Unlock()
			if len(s.writing) == 0 {
				break
			}
		}
		r = &s.writing[0]
		w.Append(add)
		s.unload(r.bytes)
		*r = sendResult{}
		s.writing = s.writing[1:]
	}
	// Reading goes on at half the bound, not at every single place.
	if s.stopped.Load() && s.inFlight.Load() <= int64(s.e.b.limits.Load().MaxInFlight/2) && s.inFlightBytes.Load() <= s.byteBound()/2 {
		s.stopped.Store(false)
		s.out.Resume()
	}
}

func (s *producerSession) Full() bool {
	full := func() bool {
		return s.inFlight.Load() >= int64(s.e.b.limits.Load().MaxInFlight) || s.inFlightBytes.Load() >= s.byteBound()
	}
	if !full() {
		return false
	}
	s.stopped.Store(true)
	// Fill may have made room before it could see that Resume is owed.
	return full()
}

// byteBound is how much memory the session's publishes may take now.
func (s *producerSession) byteBound() int64 {
	return int64(min(s.e.b.limits.Load().MaxInFlightBytes, s.e.b.opts.Memory.Allowance()))
}

func (s *producerSession) InFlight() int { return int(s.inFlight.Load()) }

// Close detaches the session. What it had sent is still published.
func (s *producerSession) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	s.results = nil
	s.mu.Unlock()
	s.e.b.stats.dropProducer(s.stats)
	s.releaseIfDone()
}

// releaseIfDone gives the entry back once the session is closed and its last
// publish is answered.
func (s *producerSession) releaseIfDone() {
	s.mu.Lock()
	over := s.closed && !s.released && s.unanswered.Load() == 0
	if over {
		s.released = true
	}
	s.mu.Unlock()
	if over {
		// What was to be answered to the client that is gone.
		s.e.b.opts.Memory.Take(memory.Publishes, -int(s.inFlightBytes.Swap(0)))
		s.e.release()
	}
}
