package embedded

import "container/heap"

// keyTable divides the keys of a Key_Shared subscription: a key's hash is a
// slot, a slot has an owner among the members, and all messages of the slot go
// to it in the order published.
//
// When the owner changes because members come or go, the new one gets nothing
// of the slot until the old one has settled (acknowledged or given back) all
// it has of it (PIP-379). So the order of a key holds.
type keyTable struct {
	slots map[uint16]*keySlot // those with messages waiting or delivered
	due   []*member           // members with slots that became listed
}

// keySlot is the state of one slot with messages.
type keySlot struct {
	owner   *member // who gets its messages
	holder  *member // who has messages of it; not the owner: the slot is draining
	held    int     // how many
	waiting seqHeap // to be delivered, oldest first
	listed  bool    // in owner.slots
}

func (k *keyTable) slot(s *subscription, m *message) (uint16, *keySlot) {
	n := stickySlot(m)
	ks := k.slots[n]
	if ks == nil {
		ks = &keySlot{owner: s.slotOwner(n)}
		if k.slots == nil {
			k.slots = map[uint16]*keySlot{}
		}
		k.slots[n] = ks
	}
	return n, ks
}

// slotOwner is the member that a slot belongs to; nil: there is none.
func (s *subscription) slotOwner(n uint16) *member {
	var owner *member
	var best uint64
	for _, mb := range s.members {
		if w := weight(n, mb.number); owner == nil || w > best {
			owner, best = mb, w
		}
	}
	return owner
}

// free reports that the owner may be given messages of the slot.
func (ks *keySlot) free() bool { return ks.held == 0 || ks.holder == ks.owner }

// list notes that the slot has something for its owner.
func (k *keyTable) list(n uint16, ks *keySlot) {
	if ks.listed || len(ks.waiting) == 0 || !ks.free() {
		return
	}
	ks.listed = true
	ks.owner.slots.push(n)
	k.look(ks.owner)
}

// look notes that a member may be given something now.
func (k *keyTable) look(mb *member) {
	if !mb.listed && mb.slots.len() > 0 && mb.hungry() {
		mb.listed = true
		k.due = append(k.due, mb)
	}
}

// push makes a message wait for its owner.
func (k *keyTable) push(s *subscription, m *message) {
	n, ks := k.slot(s, m)
	heap.Push(&ks.waiting, m.seq)
	k.list(n, ks)
}

// settled notes that a delivered message is not in its holder's hands any more.
func (k *keyTable) settled(m *message) {
	n := stickySlot(m)
	ks := k.slots[n]
	if ks == nil {
		return
	}
	ks.held--
	if ks.held > 0 {
		return
	}
	ks.holder = nil
	if len(ks.waiting) == 0 && !ks.listed {
		delete(k.slots, n)
		return
	}
	k.list(n, ks)
}

// reassign finds the owners anew after members came or went.
func (k *keyTable) reassign(s *subscription) {
	for _, mb := range s.members {
		mb.slots, mb.listed = ring[uint16]{}, false
	}
	k.due = k.due[:0]
	for n, ks := range k.slots {
		ks.owner = s.slotOwner(n)
		ks.listed = false
		k.list(n, ks)
	}
}

// dispatchKeys reads all new messages into their slots and delivers what can be
// delivered.
func (s *subscription) dispatchKeys() {
	if len(s.members) == 0 {
		return
	}
	for s.next < s.t.end() {
		sl, m := s.slot(s.next), s.t.message(s.next)
		s.next++
		if sl.state == unread && !s.postpone(m, sl) {
			sl.state = queued
			s.keys.push(s, m)
		}
	}
	for k := &s.keys; len(k.due) > 0; {
		mb := k.due[len(k.due)-1]
		k.due = k.due[:len(k.due)-1]
		mb.listed = false
		s.deliverSlots(mb)
	}
}

// dispatchTo is dispatchKeys for one member that got permits.
func (s *subscription) dispatchTo(mb *member) {
	if s.next < s.t.end() {
		s.dispatchKeys()
		return
	}
	s.deliverSlots(mb)
}

// deliverSlots gives a member the messages of its slots, one of each in turn.
func (s *subscription) deliverSlots(mb *member) {
	for mb.hungry() && mb.slots.len() > 0 {
		n := mb.slots.pop()
		ks := s.keys.slots[n]
		ks.listed = false
		for len(ks.waiting) > 0 {
			seq := heap.Pop(&ks.waiting).(int64)
			if seq < s.mark || s.slot(seq).state != queued {
				continue // acknowledged meanwhile
			}
			sl := s.slot(seq)
			s.give(mb, s.t.message(seq), sl)
			if sl.state == delivered {
				ks.holder = mb
				ks.held++
			}
			break
		}
		if ks.held == 0 && len(ks.waiting) == 0 {
			delete(s.keys.slots, n)
		}
		s.keys.list(n, ks)
	}
}
