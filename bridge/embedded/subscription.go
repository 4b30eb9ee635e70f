package embedded

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

// slotState says where a message is for one subscription.
type slotState uint8

const (
	unread    slotState = iota // behind the cursor, or rewound to
	queued                     // read, in replay or in its key's queue
	buried                     // on its way to the dead letter topic
	delayed                    // its time has not come; a timer is set
	delivered                  // given to owner
	acked
)

// slot is what a subscription knows of one message.
type slot struct {
	owner *member // while delivered
	count uint32  // redeliveries
	state slotState
	timed bool // a timer is set for it
}

// subscription is the durable or non-durable cursor of one subscription on one
// topic, with its members. Everything is guarded by Upstream.mu.
//
// All messages before mark are acknowledged. Those from mark on have a slot in
// window, as far as it reaches; those without one were never touched. next is
// the cursor: slots before it are not unread.
type subscription struct {
	t       *topic
	name    string
	typ     bridge.SubscriptionType
	durable bool
	members []*member // by priority level, then as they came

	mark   int64
	next   int64
	window ring[slot]
	acks   int64 // slots in window that are acked

	active *member  // Exclusive and Failover: who gets the messages
	replay seqHeap  // Shared: messages to be delivered again
	turns  turns    // Shared: members with permits
	keys   keyTable // Key_Shared
}

// member is one consumer's membership in one topic's subscription.
type member struct {
	s       *subscription
	c       *consumer
	number  int64        // order of joining, over all subscriptions
	unacked int          // slots it owns
	listed  bool         // in s.turns (Shared) or s.keys.due (Key_Shared)
	slots   ring[uint16] // Key_Shared: slots with messages for it
}

// hungry reports whether the member may be given a message.
func (mb *member) hungry() bool { return mb.c.permits > 0 && mb.unacked < mb.s.t.u.maxUnacked }

// has reports whether a message was given to the member and not taken back.
func (mb *member) has(seq int64) bool {
	s := mb.s
	if seq < s.mark || seq >= s.mark+int64(s.window.len()) {
		return false
	}
	sl := s.window.at(int(seq - s.mark))
	return sl.state == delivered && sl.owner == mb
}

// seqHeap is a container/heap of messages, the oldest first.
type seqHeap []int64

func (h seqHeap) Len() int           { return len(h) }
func (h seqHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h seqHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *seqHeap) Push(v any)        { *h = append(*h, v.(int64)) }
func (h *seqHeap) Pop() any {
	old := *h
	v := old[len(old)-1]
	*h = old[:len(old)-1]
	return v
}

// slot returns the slot of a message at or behind mark, making it if need be.
func (s *subscription) slot(seq int64) *slot {
	for s.mark+int64(s.window.len()) <= seq {
		s.window.push(slot{})
		s.t.u.used += slotCost
	}
	return s.window.at(int(seq - s.mark))
}

// backlog counts the messages that are not acknowledged.
func (s *subscription) backlog() int64 { return s.t.end() - s.mark - s.acks }

// ack settles one message for good, whoever has it.
func (s *subscription) ack(seq int64) {
	if seq < s.mark {
		return
	}
	sl := s.slot(seq)
	if sl.state == acked {
		return
	}
	s.takeBack(seq, sl)
	sl.state = acked
	s.acks++
	for s.window.len() > 0 && s.window.at(0).state == acked {
		s.window.pop()
		s.acks--
		s.mark++
		s.t.u.release(slotCost)
	}
	s.next = max(s.next, s.mark)
}

// skip acknowledges everything before seq: it is no longer there.
func (s *subscription) skip(seq int64) {
	for s.mark < seq {
		s.ack(s.mark)
	}
}

// takeBack ends a delivery: its owner does not have the message any more.
func (s *subscription) takeBack(seq int64, sl *slot) {
	if sl.state != delivered {
		return
	}
	mb := sl.owner
	sl.owner = nil
	mb.unacked--
	switch s.typ {
	case bridge.KeyShared:
		s.keys.settled(s.t.message(seq))
		s.keys.look(mb)
	case bridge.Shared:
		s.turns.push(mb)
	}
}

// give delivers a message to a member, or makes it a dead letter.
func (s *subscription) give(mb *member, m *message, sl *slot) {
	if limit := mb.c.spec.MaxRedeliver; limit > 0 && int(sl.count) > limit {
		s.bury(mb, m, sl)
		return
	}
	sl.state, sl.owner = delivered, mb
	mb.unacked++
	mb.c.take(delivery{t: s.t, m: m, from: mb, count: sl.count})
}

// dispatch delivers what can be delivered now.
func (s *subscription) dispatch() {
	switch s.typ {
	case bridge.Shared:
		s.dispatchShared()
	case bridge.KeyShared:
		s.dispatchKeys()
	default:
		s.dispatchActive()
	}
}

// permitted is dispatch after a member got permits.
func (s *subscription) permitted(mb *member) {
	switch s.typ {
	case bridge.Shared:
		s.turns.push(mb)
		s.dispatchShared()
	case bridge.KeyShared:
		s.dispatchTo(mb)
	default:
		if s.active == mb {
			s.dispatchActive()
		}
	}
}

// join adds a member. The caller has made sure that the type allows it.
func (s *subscription) join(mb *member) {
	i, _ := slices.BinarySearchFunc(s.members, mb, func(a, b *member) int {
		return cmp.Or(cmp.Compare(a.c.spec.PriorityLevel, b.c.spec.PriorityLevel), cmp.Compare(a.number, b.number))
	})
	s.members = slices.Insert(s.members, i, mb)
	s.membersChanged()
}

// leave removes a member. What it had is redelivered to the others, in order;
// the redelivery count is raised for what had reached its receiver.
func (s *subscription) leave(mb *member) {
	i := slices.Index(s.members, mb)
	if i < 0 {
		return
	}
	s.members = slices.Delete(s.members, i, i+1)
	s.recall(mb)
	s.turns.remove(mb)
	if len(s.members) == 0 {
		s.rewind()
		s.replay = nil
		s.keys = keyTable{}
		s.active = nil
		if !s.durable {
			s.remove()
		}
		return
	}
	s.membersChanged()
	s.dispatch()
}

// membersChanged decides anew who gets which messages.
func (s *subscription) membersChanged() {
	switch s.typ {
	case bridge.Exclusive, bridge.Failover:
		s.chooseActive()
	case bridge.KeyShared:
		s.keys.reassign(s)
	}
}

// giveBack puts a delivered message among those to be delivered again.
func (s *subscription) giveBack(seq int64, sl *slot) {
	s.takeBack(seq, sl)
	s.requeue(seq, sl)
}

// requeue puts a message that nobody has where the type's dispatch finds it.
func (s *subscription) requeue(seq int64, sl *slot) {
	switch {
	case len(s.members) == 0 || s.typ == bridge.Exclusive || s.typ == bridge.Failover:
		sl.state = unread
		s.next = min(s.next, seq)
	case s.typ == bridge.Shared:
		sl.state = queued
		heap.Push(&s.replay, seq)
	default:
		sl.state = queued
		s.keys.push(s, s.t.message(seq))
	}
}

// rewind makes everything that is not acknowledged unread again. Messages with
// a timer keep it.
func (s *subscription) rewind() {
	for i := range s.window.len() {
		sl := s.window.at(i)
		switch sl.state {
		case delivered:
			s.takeBack(s.mark+int64(i), sl)
			sl.state = unread
		case queued:
			sl.state = unread
		}
	}
	s.next = s.mark
}

// postpone sets a timer for a message whose time has not come and reports
// whether that was so.
func (s *subscription) postpone(m *message, sl *slot) bool {
	if m.due.IsZero() || !m.due.After(time.Now()) {
		return false
	}
	sl.state = delayed
	s.ringAt(m.due, m.seq, sl)
	return true
}

func (s *subscription) ringAt(when time.Time, seq int64, sl *slot) {
	if !sl.timed {
		sl.timed = true
		s.t.u.at(when, &slotTimer{s, seq})
	}
}

// slotTimer wakes one delayed message of one subscription.
type slotTimer struct {
	s   *subscription
	seq int64
}

func (w *slotTimer) live() bool { return w.seq >= w.s.mark && w.s.t.subs[w.s.name] == w.s }

func (w *slotTimer) due() {
	s := w.s
	sl := s.slot(w.seq)
	sl.timed = false
	if sl.state == delayed {
		s.requeue(w.seq, sl)
		s.dispatch()
	}
}

// remove deletes the subscription; nobody is a member any more.
func (s *subscription) remove() {
	u := s.t.u
	delete(s.t.subs, s.name)
	u.release(subscriptionCost + int64(s.window.len())*slotCost)
	s.window = ring[slot]{}
}
