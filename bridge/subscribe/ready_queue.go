package subscribe

import "slices"

// readyQueue holds the sessions with room in turn. It is part of a [ledger].
type readyQueue struct {
	sessions []*member
	closed   int // sessions removed since those were last cleared out, at least as many as are still in it
}

// push puts s at the end unless it is queued already.
func (q *readyQueue) push(s *member) {
	if s.ready {
		return
	}
	s.ready = true
	q.sessions = append(q.sessions, s)
}

// pop takes the session whose turn it is, nil if none has room.
func (q *readyQueue) pop(l *ledger) *member {
	for len(q.sessions) > 0 {
		s := q.sessions[0]
		q.sessions[0] = nil
		q.sessions = q.sessions[1:]
		s.ready = false
		if l.roomOf(s) > 0 {
			return s
		}
	}
	return nil
}

// remove takes s, which is closed, out for good. It may stay where it is for a
// while, as finding that takes long among many; pop passes over it.
func (q *readyQueue) remove(s *member) {
	if s.ready {
		s.ready = false
		q.closed++
	}
	if q.closed > 32 && 2*q.closed > len(q.sessions) {
		q.closed = 0
		q.sessions = slices.DeleteFunc(q.sessions, func(s *member) bool { return s.closed })
	}
}
