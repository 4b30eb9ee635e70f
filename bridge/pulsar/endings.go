package pulsar

import (
	"context"
	"sync"
	"time"
)

// keepEnding is how long the admin API's answer to how far a topic is read
// counts: whoever asks, it is asked no more often than that.
const keepEnding = time.Second

// endings asks the admin API whether terminated topics are read to their ends. A
// broker tells that to consumers by itself, but not always to those that come when all
// was acknowledged before: of a read that ended with the topic its cursor may keep that it waits, and then refuses theirs.
//
// mu guards known. Its length is bounded by the topics that were asked for
// within keepEnding and a sweep.
type endings struct {
	mu    sync.Mutex
	known map[string]*ending // by concrete topic
}

// ending is one question; at is set when it has been answered, as done is closed.
type ending struct {
	done  chan struct{}
	at    time.Time
	stats internalStats
}

// internalStats is what of a topic's internal stats is of use. Positions are written ledger:entry.
type internalStats struct {
	State   string `json:"state"`
	Last    string `json:"lastConfirmedEntry"`
	Cursors map[string]struct {
		Mark string `json:"markDeletePosition"` // all up to it is acknowledged
	} `json:"cursors"`
}

// readToEnd reports that a concrete topic is terminated and a subscription has
// acknowledged all of it. It is false where that cannot be found out.
func (u *Upstream) readToEnd(ctx context.Context, topic, subscription string) bool {
	if u.admin == nil {
		return false
	}
	e := u.endings.ask(u, topic)
	if e == nil {
		return false
	}
	select {
	case <-e.done:
	case <-ctx.Done():
		return false
	}
	cursor, found := e.stats.Cursors[subscription]
	return found && e.stats.State == "Terminated" && cursor.Mark == e.stats.Last
}

// ask puts a question, unless it was put just now. It returns nil after Close.
func (s *endings) ask(u *Upstream, topic string) *ending {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.known[topic]; e != nil && !e.old(time.Now()) {
		return e
	}
	if !u.begin() {
		return nil
	}
	e := &ending{done: make(chan struct{})}
	if s.known == nil {
		s.known = map[string]*ending{}
	}
	s.known[topic] = e
	go func() {
		defer u.calls.Done()
		defer close(e.done)
		if err := u.admin.get(u.ctx, topicPath(topic)+"/internalStats", &e.stats); err != nil {
			e.stats = internalStats{}
			u.log.Debug("ask for the end of a topic", "topic", topic, "error", err)
		}
		e.at = time.Now()
	}()
	return e
}

func (e *ending) old(now time.Time) bool {
	select {
	case <-e.done:
		return now.Sub(e.at) > keepEnding
	default:
		return false
	}
}

func (s *endings) expire(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, e := range s.known {
		if e.old(now) {
			delete(s.known, topic)
		}
	}
}
