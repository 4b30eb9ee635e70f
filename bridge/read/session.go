package read

import (
	"log/slog"
	"sync"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// session is one reader: a cursor in its topic, or in each partition of
// it. Messages of one partition keep their order.
//
// mu guards everything below it and may be held while a tail's mutex is taken.
// There are as many cursors from start to Close, but for those of partitions that are added,
// of which [partitions] takes care; what they hold is guarded as they say.
//
// What is queued is bounded by [bridge.MaxQuestions] answers.
type session struct {
	readers    *Readers
	out        bridge.Outlet
	stats      Counters
	partitions *partitions // nil: none
	suffix     string      // what a session with a context adds to a shared frame
	window     int32       // see [ReadOptions]
	legacyTime bool        // of the format

	first cursor

	mu     sync.Mutex
	sent   int32     // messages out without an answer
	turn   int32     // the cursor that is asked for messages next
	more   []*cursor // of a topic with more than one partition
	closed bool
	asked  *endQuestions // nil: isEndOfTopic was never asked
}

// Counted implements [bridge.Counted].
func (s *session) Counted() (bridge.SessionKind, bridge.Outlet) {
	return bridge.SessionKind{Reader: true, NonDurable: true}, s.out
}

// cursor is the session's i-th cursor. Called with mu held, as is cursors.
func (s *session) cursor(i int) *cursor {
	if i == 0 {
		return &s.first
	}
	return s.more[i-1]
}

// all lists the cursors there are now.
func (s *session) all() []*cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*cursor{&s.first}, s.more...)
}

func (s *session) cursors() int { return 1 + len(s.more) }

func (s *session) topic() string {
	if s.partitions != nil {
		return s.partitions.key.topic
	}
	return s.first.spec.Topic
}

// endQuestions are a reader's isEndOfTopic commands and their answers that are
// not written yet.
type endQuestions struct {
	bridge.Questions
	answers []bool
}

// Handle takes the client's answer to a message, or a question.
func (s *session) Handle(frame []byte) error {
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
			bridge.Renew(s.out, cmd.Auth) // without authentication there is nothing to renew
		}
		return nil
	}
	s.mu.Lock()
	full := s.sent >= s.window
	answered := s.sent > 0
	if answered {
		s.sent--
	}
	s.mu.Unlock()
	if full {
		s.readers.full.Count(false)
		s.out.Wake()
	}
	if answered {
		s.stats.Acknowledged(1)
	}
	return nil
}

func (s *session) Full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked != nil && s.asked.Full()
}

// InFlight is always 0: a reader's frames have no answer.
func (s *session) InFlight() int { return 0 }

// Describe implements [bridge.Session].
func (s *session) Describe(i *bridge.SessionInfo) {
	i.Topic, i.Window = s.topic(), int(s.window)
	i.Messages = s.stats.Messages()
	s.mu.Lock()
	i.Unacked = int(s.sent)
	for n := range s.cursors() {
		i.Upstream = s.cursor(n).upstream(i.Upstream)
	}
	s.mu.Unlock()
	t := s.cursor(0).tail // of the first partition, where there are several
	s.readers.mu.Lock()
	i.Sharing = t.lease.Count()
	s.readers.mu.Unlock()
}

// Close detaches the session.
func (s *session) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	if s.sent >= s.window {
		s.readers.full.Count(false)
	}
	s.sent = 0
	s.asked = nil
	s.mu.Unlock()
	if s.partitions != nil {
		s.readers.giveBack(s.partitions, s)
	}
	for _, p := range s.all() {
		p.leave()
	}
	if s.stats != nil {
		s.stats.Leave()
	}
}

// askEndOfTopic has the question answered on a goroutine, one a session.
func (s *session) askEndOfTopic() {
	s.mu.Lock()
	if s.asked == nil {
		s.asked = &endQuestions{}
	}
	q := s.asked
	run := q.Put()
	s.mu.Unlock()
	if !run {
		return
	}
	s.readers.pool.Start(func() {
		for more := true; more; {
			end := s.endOfTopic()
			s.mu.Lock()
			more = q.Asked() && !s.closed
			q.answers = append(q.answers, end)
			s.mu.Unlock()
			s.out.Wake()
		}
	})
}

// endOfTopic reports that the topic is terminated and all of it was written to the client.
func (s *session) endOfTopic() bool {
	ctx, stop := s.readers.pool.Limited()
	defer stop()
	for _, p := range s.all() {
		end, err := p.ended(ctx)
		if err != nil {
			s.readers.unknown.Log(s.readers.log, slog.LevelWarn, "end of topic is unknown", "topic", s.topic(), "error", err)
		}
		if !end || err != nil {
			return false
		}
	}
	return true
}
