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
		s.stats = b.stats.consumer(ConsumerStats{Reader: true, NonDurable: true}, out, s.topic())
		return s, nil
	}, func(s Session, err error) {
		done(s, err)
		if err == nil {
			out.Wake() // it may look for messages now
		}
	})
}

// readerSession is one reader: a cursor in its topic, or in each partition of
// it. Messages of one partition keep their order.
//
// mu guards everything below it and may be held while a tail's mutex is taken.
// There are as many cursors from start to Close, but for those of partitions that are added,
// of which [partitions] takes care; what they hold is guarded as they say.
//
// What is queued is bounded by maxQuestions answers.
type readerSession struct {
	b          *Bridge
	opts       ReadOptions
	out        Outlet
	stats      *consumerCounters
	partitions *partitions // nil: none
	suffix     string      // what a session with a context adds to a shared frame

	first cursor

	mu     sync.Mutex
	more   []*cursor // of a topic with more than one partition
	closed bool
	sent   int           // messages out without an answer
	turn   int           // the cursor that is asked for messages next
	asked  *endQuestions // nil: isEndOfTopic was never asked
}

// cursor is the session's i-th cursor. Called with mu held, as is cursors.
func (s *readerSession) cursor(i int) *cursor {
	if i == 0 {
		return &s.first
	}
	return s.more[i-1]
}

// all lists the cursors there are now.
func (s *readerSession) all() []*cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*cursor{&s.first}, s.more...)
}

func (s *readerSession) cursors() int { return 1 + len(s.more) }

func (s *readerSession) topic() string {
	if s.partitions != nil {
		return s.partitions.key.topic
	}
	return s.first.spec.Topic
}

// endQuestions are a reader's isEndOfTopic commands and their answers that are
// not written yet.
type endQuestions struct {
	questions
	answers []bool
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
	s.mu.Unlock()
	if full {
		s.b.stats.sums.full[ofReaders].count(false)
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
	if s.sent >= s.opts.Window {
		s.b.stats.sums.full[ofReaders].count(false)
	}
	s.sent = 0
	s.asked = nil
	s.mu.Unlock()
	if s.partitions != nil {
		s.b.giveBack(s.partitions, s)
	}
	for _, p := range s.all() {
		p.leave()
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
	ctx, stop := context.WithTimeout(s.b.ctx, s.b.opts.OpenTimeout)
	defer stop()
	for _, p := range s.all() {
		end, err := p.ended(ctx)
		if err != nil {
			s.b.opts.Logger.Warn("end of topic is unknown", "topic", s.topic(), "error", err)
		}
		if !end || err != nil {
			return false
		}
	}
	return true
}
