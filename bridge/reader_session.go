package bridge

import (
	"context"
	"sync"

	"github.com/pulsegate/pulsegate/codec"
)

// Read attaches a session that reads a topic.
func (b *Bridge) Read(spec ReaderSpec, o ReadOptions, out Outlet, done Opened) (cancel func()) {
	return b.open(func(ctx context.Context) (Session, error) {
		s := &readerSession{b: b, opts: o, out: out}
		if o.Format.HasContext {
			s.suffix = contextSuffix(o.Format.Context)
		}
		if err := s.start(ctx, &spec); err != nil {
			return nil, err
		}
		s.stats = b.stats.consumer(ConsumerStats{Reader: true, NonDurable: true}, out, s.spec.Topic)
		return s, nil
	}, func(s Session, err error) {
		done(s, err)
		if err == nil {
			// A catching-up session may read, one on the tail may look: it is open now.
			s.(*readerSession).begin()
		}
	})
}

// readerSession is one reader. It is a cursor on its topic's tail, or in a
// backlog until it has caught up with the tail; on a topic with several
// partitions, where no tail has an order, it reads on its own.
//
// mu guards everything below it and may be held while the tail's mutex is
// taken, except parked and woken, which the tail's mutex guards.
//
// What is queued is bounded by the permits of the own reader and maxQuestions answers.
type readerSession struct {
	b      *Bridge
	spec   *ReaderSpec // without a start; often shared by many
	opts   ReadOptions
	out    Outlet
	stats  *consumerCounters
	t      *tail  // nil: no tail for this topic
	suffix string // what a session with a context adds to a shared frame

	parked, woken bool

	mu      sync.Mutex
	closed  bool
	hasLast bool
	sent    int // messages out without an answer
	cur     cursor
	last    codec.MessageID // the last message fetched, valid if hasLast
	from    *ReaderSpec     // where it begins in a backlog; nil: it has
	own     *ownReader
	queue   []*codec.Message // from own
	asked   *endQuestions    // nil: isEndOfTopic was never asked
}

// endQuestions are a reader's isEndOfTopic commands and their answers that are
// not written yet.
type endQuestions struct {
	questions
	answers []bool
}

// start finds the session's position. After it the session can be begun.
func (s *readerSession) start(ctx context.Context, spec *ReaderSpec) error {
	b := s.b
	b.mu.Lock()
	split := b.split[spec.Topic]
	b.mu.Unlock()
	if split {
		s.spec = withoutStart(spec)
		return s.startOwn(ctx, *spec)
	}
	t, err := b.tailFor(ctx, tailKey{spec.Topic, s.opts.Format.LegacyTime, spec.CryptoFailure})
	if err != nil {
		return err
	}
	if t.partitioned() {
		b.mu.Lock()
		b.split[spec.Topic] = true
		b.mu.Unlock()
		t.release()
		s.spec = withoutStart(spec)
		return s.startOwn(ctx, *spec)
	}
	s.t, s.spec = t, t.commonSpec(spec)
	if err = s.startOnTail(ctx, spec); err == nil {
		err = t.enter(s)
	}
	if err != nil {
		s.leaveBacklog()
		t.release()
	}
	return err
}

func (s *readerSession) startOnTail(ctx context.Context, spec *ReaderSpec) error {
	t := s.t
	if !t.ordered() {
		t.join(&s.cur, &codec.MessageID{}, false, t.edge())
		return nil
	}
	switch spec.Start {
	case StartLatest:
		edge := t.edge()
		ends, err := t.last.get(ctx, s.b)
		if err != nil {
			return err
		}
		var end codec.MessageID
		if len(ends) > 0 {
			end = ends[0]
		}
		s.hasLast = len(ends) > 0 && end.EntryID >= 0
		if s.hasLast {
			s.last = end
		}
		t.join(&s.cur, &end, s.hasLast, edge)
		return nil
	case StartAtPosition:
		// A position beyond the end is for the broker to judge.
		if !spec.Inclusive && t.reaches(&spec.Position) {
			s.last, s.hasLast = spec.Position, true
			if t.seek(&s.cur, &s.last, true) {
				return nil
			}
			s.last, s.hasLast = codec.MessageID{}, false
		}
	case StartEarliest:
		if t.seek(&s.cur, &s.last, false) {
			return nil
		}
	}
	s.from = spec
	return s.startBacklog(ctx, *spec)
}

// begin lets messages flow.
func (s *readerSession) begin() {
	s.mu.Lock()
	o := s.own
	grant := 0
	if o != nil && !s.closed {
		grant = o.topUp()
	}
	s.mu.Unlock()
	if grant > 0 {
		o.up.Permit(grant)
	}
	s.out.Wake()
}

// Handle takes the client's answer to a message, or a question.
func (s *readerSession) Handle(frame []byte) error {
	cmd, err := codec.DecodeCommand(frame)
	if err != nil {
		return err
	}
	switch cmd.Kind {
	case codec.CommandEndOfTopic:
		s.askEndOfTopic()
		return nil
	case codec.CommandAuthResponse:
		if cmd.Err == nil {
			renew(s.out, cmd.Auth) // without authentication there is nothing to renew
		}
		return nil
	}
	s.mu.Lock()
	full := s.sent >= s.opts.Window
	answered := s.sent > 0
	if answered {
		s.sent--
	}
	grant := 0
	o := s.own
	if o != nil {
		grant = o.topUp()
	}
	s.mu.Unlock()
	if grant > 0 {
		o.up.Permit(grant)
	}
	if full {
		s.out.Wake()
	}
	if answered {
		s.b.stats.acked(s.stats)
	}
	return nil
}

func (s *readerSession) Full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked != nil && s.asked.full()
}

// InFlight is always 0: a reader's frames have no answer.
func (s *readerSession) InFlight() int { return 0 }

// Close detaches the session.
func (s *readerSession) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	o := s.own
	s.own, s.queue, s.asked = nil, nil, nil
	s.moveTo(cursor{})
	s.mu.Unlock()
	if o != nil {
		o.close()
	}
	if s.t != nil {
		s.t.exit(s)
		s.t.release()
	}
	if s.stats != nil {
		s.b.stats.dropConsumer(s.stats)
	}
}

// askEndOfTopic has the question answered on a goroutine, one a session.
func (s *readerSession) askEndOfTopic() {
	s.mu.Lock()
	if s.asked == nil {
		s.asked = &endQuestions{}
	}
	q := s.asked
	run := q.put()
	s.mu.Unlock()
	if !run {
		return
	}
	s.b.start(func() {
		for more := true; more; {
			end := s.endOfTopic()
			s.mu.Lock()
			more = q.asked() && !s.closed
			q.answers = append(q.answers, end)
			s.mu.Unlock()
			s.out.Wake()
		}
	})
}

// endOfTopic reports that the topic is terminated and all of it was written to the client.
func (s *readerSession) endOfTopic() bool {
	s.mu.Lock()
	var up Reader
	t := s.cur.in
	if s.own != nil {
		up = s.own.up
	}
	s.mu.Unlock()
	if t != nil {
		select {
		case <-t.opened:
			up = t.up
		default:
		}
	}
	if up == nil {
		return false // between two readers: there is something left to read
	}
	ctx, stop := context.WithTimeout(s.b.ctx, s.b.opts.OpenTimeout)
	defer stop()
	end, err := up.EndOfTopic(ctx)
	if err != nil {
		s.b.opts.Logger.Warn("end of topic is unknown", "topic", s.spec.Topic, "error", err)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return end && len(s.queue) == 0 && s.cur.in == t && (t == nil || t.atEnd(&s.cur))
}
