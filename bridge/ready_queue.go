package bridge

import "slices"

// readyQueue holds the sessions with room in turn. Its owner's mutex guards it.
type readyQueue struct {
	sessions []*consumerSession
	closed   int // sessions removed since the places of such were last cleared, at least as many as have one
}

// push puts s at the end unless it is queued already.
func (q *readyQueue) push(s *consumerSession) {
	if s.ready {
		return
	}
	s.ready = true
	q.sessions = append(q.sessions, s)
}

// pop takes the session whose turn it is, nil if none has room.
func (q *readyQueue) pop() *consumerSession {
	for len(q.sessions) > 0 {
		s := q.sessions[0]
		q.sessions[0] = nil
		q.sessions = q.sessions[1:]
		s.ready = false
		if s.room() > 0 {
			return s
		}
	}
	return nil
}

// remove takes s, which is closed, out for good. It may stay in its place for a
// while, as finding that takes long among many; pop passes over it.
func (q *readyQueue) remove(s *consumerSession) {
	if s.ready {
		s.ready = false
		q.closed++
	}
	if q.closed > 32 && 2*q.closed > len(q.sessions) {
		q.closed = 0
		q.sessions = slices.DeleteFunc(q.sessions, func(s *consumerSession) bool { return s.closed })
	}
}
