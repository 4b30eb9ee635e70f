package bridge

import "slices"

// readyQueue holds the sessions with room, by priority level and within a level in turn.
// Its owner's mutex guards it.
type readyQueue struct {
	levels []readyLevel // sorted by priority; few
	closed int          // sessions removed since the places of such were last cleared, at least as many as have one
}

type readyLevel struct {
	priority int
	sessions []*consumerSession
}

// push puts s at the end of its level unless it is queued already.
func (q *readyQueue) push(s *consumerSession) {
	if s.ready {
		return
	}
	s.ready = true
	i := 0
	for i < len(q.levels) && q.levels[i].priority < s.priority {
		i++
	}
	if i == len(q.levels) || q.levels[i].priority != s.priority {
		q.levels = append(q.levels, readyLevel{})
		copy(q.levels[i+1:], q.levels[i:])
		q.levels[i] = readyLevel{priority: s.priority}
	}
	q.levels[i].sessions = append(q.levels[i].sessions, s)
}

// pop takes the session whose turn it is, nil if none has room.
func (q *readyQueue) pop() *consumerSession {
	for i := range q.levels {
		l := &q.levels[i]
		for len(l.sessions) > 0 {
			s := l.sessions[0]
			l.sessions[0] = nil
			l.sessions = l.sessions[1:]
			s.ready = false
			if s.room() > 0 {
				return s
			}
		}
	}
	return nil
}

// before reports that a session of a better level than s's waits.
func (q *readyQueue) before(s *consumerSession) bool {
	for i := range q.levels {
		if q.levels[i].priority >= s.priority {
			return false
		}
		if len(q.levels[i].sessions) > 0 {
			return true
		}
	}
	return false
}

// remove takes s, which is closed, out for good. It may stay in its place for a
// while, as finding that takes long among many; pop passes over it.
func (q *readyQueue) remove(s *consumerSession) {
	if s.ready {
		s.ready = false
		q.closed++
	}
	if q.closed > 32 && 2*q.closed > q.len() {
		q.closed = 0
		for i := range q.levels {
			l := &q.levels[i]
			l.sessions = slices.DeleteFunc(l.sessions, func(s *consumerSession) bool { return s.closed })
		}
	}
	q.levels = slices.DeleteFunc(q.levels, func(l readyLevel) bool { return len(l.sessions) == 0 })
}

func (q *readyQueue) len() (n int) {
	for i := range q.levels {
		n += len(q.levels[i].sessions)
	}
	return n
}
