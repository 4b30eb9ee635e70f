package embedded

import (
	"container/heap"
	"slices"

	"github.com/pulsegate/pulsegate/bridge"
)

// dispatchShared delivers to the members in turn, one message each: first what
// is to be redelivered, then what was never read. A lower priority level is
// served only while no member of a higher one has permits.
func (s *subscription) dispatchShared() {
	for {
		seq, again := s.nextShared()
		if seq < 0 {
			return
		}
		mb := s.turns.pop()
		if mb == nil {
			return
		}
		if again {
			heap.Pop(&s.replay)
		} else {
			s.next++
		}
		sl, m := s.slot(seq), s.t.message(seq)
		if again || !s.postpone(m, sl) {
			s.give(mb, m, sl)
		}
		s.turns.push(mb)
	}
}

// nextShared finds the message to deliver next; -1: there is none.
func (s *subscription) nextShared() (seq int64, again bool) {
	for len(s.replay) > 0 {
		if seq := s.replay[0]; seq >= s.mark && s.slot(seq).state == queued {
			return seq, true
		}
		heap.Pop(&s.replay) // acknowledged meanwhile
	}
	for ; s.next < s.t.end(); s.next++ {
		if s.slot(s.next).state == unread {
			return s.next, false
		}
	}
	return -1, false
}

// turns holds the members of a Shared subscription that have permits, by
// priority level, and within a level in the order of their turns. A member
// whose permits went elsewhere meanwhile is passed over.
type turns struct {
	levels []turnLevel // best first; few
}

type turnLevel struct {
	priority int
	members  ring[*member]
}

// push puts a member at the end of its level unless it is there already.
func (q *turns) push(mb *member) {
	if mb.listed || !mb.hungry() {
		return
	}
	mb.listed = true
	p := mb.c.spec.PriorityLevel
	i := 0
	for i < len(q.levels) && q.levels[i].priority < p {
		i++
	}
	if i == len(q.levels) || q.levels[i].priority != p {
		q.levels = slices.Insert(q.levels, i, turnLevel{priority: p})
	}
	q.levels[i].members.push(mb)
}

// pop takes the member whose turn it is; nil: none has permits.
func (q *turns) pop() *member {
	for i := range q.levels {
		for l := &q.levels[i]; l.members.len() > 0; {
			mb := l.members.pop()
			mb.listed = false
			if mb.hungry() {
				return mb
			}
		}
	}
	return nil
}

// remove takes a member out, and its level if nobody else is in it.
func (q *turns) remove(mb *member) {
	i := slices.IndexFunc(q.levels, func(l turnLevel) bool { return l.priority == mb.c.spec.PriorityLevel })
	if i < 0 {
		return
	}
	l := &q.levels[i].members
	if mb.listed {
		mb.listed = false
		l.keep(func(other **member) bool { return *other != mb })
	}
	if l.len() == 0 {
		q.levels = slices.Delete(q.levels, i, i+1)
	}
}

// pick finds the member that gets a message of a non-persistent topic; nil: it
// has no permit and the message is lost for this subscription.
func (s *subscription) pick(m *message) *member {
	var mb *member
	switch s.typ {
	case bridge.Shared:
		return s.turns.pop()
	case bridge.KeyShared:
		mb = s.slotOwner(stickySlot(m))
	default:
		mb = s.active
	}
	if mb == nil || mb.c.permits <= 0 {
		return nil
	}
	return mb
}
