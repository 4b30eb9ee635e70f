package publish

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/latency"
	"github.com/pulsegate/pulsegate/memory"
)

// session is one session on an entry.
//
// mu guards outbox, results, closed and released. An outbox has one owner at a time, so
// publishes leave in the order they came. inFlight counts
// what the client has not been sent the answer of (outbox, with the upstream and results),
// which is what bounds the session: at Limits.MaxInFlight publishes, at
// MaxInFlightBytes of memory or at what the budget allows, its socket is not read.
type session struct {
	e     *entry
	up    bridge.Sender   // the outbox's owner's, as is the next
	upOf  bridge.Producer // what up is a sender of
	out   bridge.Outlet
	stats Counters
	came  time.Duration // when the input of this turn came, see latency.Now; 0: it is not in a turn. Handle's

	inFlight      atomic.Int64 // publishes received whose answer is not written
	inFlightBytes atomic.Int64 // the memory they take, see publishMemory
	unanswered    atomic.Int64 // publishes received that the upstream has not answered
	stopped       atomic.Bool  // Full has said so, and Resume is owed

	mu       sync.Mutex
	closed   bool
	released bool // the entry was given back
	outbox   outbox
	results  []result // answers not yet written

	writing []result // taken from results by Fill, which alone touches it
}

// message is one publish on its way; it receives its own outcome.
type message struct {
	s     *session
	since time.Duration // see latency.Now
	bytes int64         // of memory
	req   codec.SendRequest
}

// publishMemory is what a publish takes in memory, in bytes, by the length of its
// frame: the decoded payload, which is three quarters of it, and a copy of that on its
// way to the broker; and what it takes besides.
func publishMemory(frame []byte, req *codec.SendRequest) int64 {
	return int64(len(frame))*3/2 + int64(req.Overhead())
}

// result is an answer: ok when code is 0.
type result struct {
	id         codec.MessageID
	code       codec.Code
	detail     string
	context    string
	hasContext bool
	bytes      int64
}

func (s *session) Handle(frame []byte) error {
	p := &message{s: s, since: s.came}
	if p.since == 0 {
		p.since = latency.Now()
	}
	err := s.decode(frame, &p.req)
	if err == nil {
		p.bytes = publishMemory(frame, &p.req)
		err = s.e.producers.publishRoom(p.bytes)
	}
	if err != nil {
		var fault *codec.Error
		if !errors.As(err, &fault) {
			fault = &codec.Error{Code: codec.CodeUnknown, Detail: err.Error()}
		}
		if r, ok := codec.DecodeAuthResponse(frame); ok && bridge.Renew(s.out, r) {
			return nil
		}
		s.carry(int64(len(frame)))
		s.answer(result{
			code: fault.Code, detail: fault.Detail, context: p.req.Context, hasContext: p.req.HasContext, bytes: int64(len(frame)),
		})
		s.out.Wake()
		s.stats.Failed(fault.Code)
		return nil
	}
	s.carry(p.bytes)
	s.unanswered.Add(1)
	s.mu.Lock()
	if !s.outbox.put(p) {
		s.mu.Unlock()
	} else if s.e.handOver(s, false) {
		s.e.handOut() // a place may have become free meanwhile
	}
	return nil
}

// BeginTurn implements [bridge.Turner]: what comes in one turn has come at one time.
func (s *session) BeginTurn() { s.came = latency.Now() }

// EndTurn implements [bridge.Turner].
func (s *session) EndTurn() { s.came = 0 }

// carry counts one publish more whose answer is to be written.
func (s *session) carry(bytes int64) {
	s.inFlight.Add(1)
	s.inFlightBytes.Add(bytes)
	s.e.producers.memory.Take(memory.Publishes, int(bytes))
}

// unload counts one publish less: its answer is written.
func (s *session) unload(bytes int64) {
	s.e.producers.memory.Take(memory.Publishes, -int(bytes))
	s.inFlightBytes.Add(-bytes)
	s.inFlight.Add(-1)
}

// decode reads a frame. What a client that encrypts by itself says of its message
// is checked here, where it can be answered.
func (s *session) decode(frame []byte, req *codec.SendRequest) error {
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
func (p *message) Sent(id codec.MessageID, err error) {
	p.SentMore(id, err)
	p.Rest()
}

// Rest implements [bridge.RunSendDone].
func (p *message) Rest() {
	p.s.e.answered.Store(0)
	p.s.out.Wake()
}

// SentMore implements [bridge.RunSendDone].
func (p *message) SentMore(id codec.MessageID, err error) {
	s := p.s
	r := result{id: id, context: p.req.Context, hasContext: p.req.HasContext, bytes: p.bytes}
	if err != nil {
		r.code, r.detail = bridge.CodeOf(err), err.Error()
		s.stats.Failed(r.code)
		s.e.failed(err)
	} else {
		s.stats.Published(int64(len(p.req.Payload)), s.e.answerTime()-p.since)
	}
	s.answer(r)
	s.e.turns.free.Add(1)
	s.e.handOut()
	if s.unanswered.Add(-1) == 0 {
		s.releaseIfDone()
	}
}

// answer queues a reply for the client. The outlet is to be woken.
func (s *session) answer(r result) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.results = append(s.results, r)
	s.mu.Unlock()
}

// Fill writes the answers. An answer that is written makes room for another
// publish.
func (s *session) Fill(w bridge.Writer) {
	var r *result
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
		*r = result{}
		s.writing = s.writing[1:]
	}
	// Reading goes on at half the bound, not at every single place.
	if s.stopped.Load() && s.inFlight.Load() <= int64(s.e.producers.limits.Now().MaxInFlight/2) && s.inFlightBytes.Load() <= s.byteBound()/2 {
		s.stopped.Store(false)
		s.out.Resume()
	}
}

func (s *session) Full() bool {
	full := func() bool {
		return s.inFlight.Load() >= int64(s.e.producers.limits.Now().MaxInFlight) || s.inFlightBytes.Load() >= s.byteBound()
	}
	if !full() {
		return false
	}
	s.stopped.Store(true)
	// Fill may have made room before it could see that Resume is owed.
	return full()
}

// byteBound is how much memory the session's publishes may take now.
func (s *session) byteBound() int64 {
	return int64(min(s.e.producers.limits.Now().MaxInFlightBytes, s.e.producers.memory.Allowance()))
}

func (s *session) InFlight() int { return int(s.inFlight.Load()) }

// Describe implements [bridge.Session].
func (s *session) Describe(i *bridge.SessionInfo) {
	i.Topic = s.e.spec.Topic
	i.Messages = s.stats.Messages()
	i.InFlight = s.InFlight()
	if s.e.id[0] != 0 {
		i.Upstream = s.e.id[:]
	}
	ps := s.e.producers
	ps.mu.Lock()
	i.Sharing = s.e.lease.Count()
	ps.mu.Unlock()
}

// Close detaches the session. What it had sent is still published.
func (s *session) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	s.results = nil
	s.mu.Unlock()
	s.stats.Leave()
	s.releaseIfDone()
}

// releaseIfDone gives the entry back once the session is closed and its last
// publish is answered.
func (s *session) releaseIfDone() {
	s.mu.Lock()
	over := s.closed && !s.released && s.unanswered.Load() == 0
	if over {
		s.released = true
	}
	s.mu.Unlock()
	if over {
		// What was to be answered to the client that is gone.
		s.e.producers.memory.Take(memory.Publishes, -int(s.inFlightBytes.Swap(0)))
		s.e.release()
	}
}
