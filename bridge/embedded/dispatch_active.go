package embedded

import "github.com/pulsegate/pulsegate/bridge"

// dispatchActive delivers to the one active consumer of an Exclusive or
// Failover subscription, strictly in the order published. Delays do not count
// here, as with a broker.
func (s *subscription) dispatchActive() {
	mb := s.active
	if mb == nil {
		return
	}
	for s.next < s.t.end() && mb.hungry() {
		sl := s.slot(s.next)
		m := s.t.message(s.next)
		s.next++
		if sl.state == unread || sl.state == delayed {
			s.give(mb, m, sl)
		}
	}
}

// chooseActive makes the first member of the best priority level the active
// one. The partitions of a topic are spread over the members of that level.
func (s *subscription) chooseActive() {
	best := 0
	for best < len(s.members) && s.members[best].c.spec.PriorityLevel == s.members[0].c.spec.PriorityLevel {
		best++
	}
	mb := s.members[0]
	if s.t.Partition() >= 0 && s.typ == bridge.Failover {
		mb = s.members[int(s.t.Partition())%best]
	}
	if s.active == mb {
		return
	}
	if old := s.active; old != nil && old.unacked > 0 {
		s.recall(old)
	}
	s.active = mb
	s.rewind()
	s.dispatchActive()
}

// recall takes all of a member's messages back, those that reached its
// receiver with a raised count.
func (s *subscription) recall(mb *member) {
	s.recallQueued(mb)
	for i := 0; mb.unacked > 0; i++ {
		if sl := s.window.at(i); sl.state == delivered && sl.owner == mb {
			sl.count++
			s.giveBack(s.mark+int64(i), sl)
		}
	}
}

// recallQueued takes back what waits in the member's outlet, with the permits
// it cost.
func (s *subscription) recallQueued(mb *member) {
	c := mb.c
	c.queue.keep(func(d *delivery) bool {
		if d.from != mb {
			return true
		}
		c.refund()
		c.waiting.Add(-1)
		if d.m.seq >= s.mark {
			if sl := s.slot(d.m.seq); sl.state == delivered && sl.owner == mb {
				s.giveBack(d.m.seq, sl)
			}
		}
		return false
	})
}
