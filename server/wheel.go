package server

const wheelSlots = 512

// links is a connection's place in the wheel of its worker.
type links struct {
	prev, next *conn
	due        uint32 // tick
	in         bool
}

// wheel holds connections by the tick at which they want to be looked at. To
// put one in, to move it and to take it out cost the same however many there
// are; a tick costs what is due. Deadlines further away than the wheel's span
// are looked at once a turn.
//
// It is not safe for concurrent use.
type wheel struct {
	slots [wheelSlots]*conn
	at    uint32 // the tick up to which all was looked at
}

// put schedules c for a tick, at the earliest the next.
func (w *wheel) put(c *conn, due uint32) {
	if c.link.in {
		w.remove(c)
	}
	if behind := int32(due - w.at); behind < 1 {
		due = w.at + 1
	} else if behind >= wheelSlots {
		due = w.at + wheelSlots - 1
	}
	head := &w.slots[due%wheelSlots]
	c.link = links{next: *head, due: due, in: true}
	if *head != nil {
		(*head).link.prev = c
	}
	*head = c
}

func (w *wheel) remove(c *conn) {
	if !c.link.in {
		return
	}
	if c.link.prev != nil {
		c.link.prev.link.next = c.link.next
	} else {
		w.slots[c.link.due%wheelSlots] = c.link.next
	}
	if c.link.next != nil {
		c.link.next.link.prev = c.link.prev
	}
	c.link = links{}
}

// advance takes out what is due up to now and hands it to look, which may put
// it in again.
func (w *wheel) advance(now uint32, look func(*conn)) {
	for int32(now-w.at) > 0 {
		w.at++
		slot := &w.slots[w.at%wheelSlots]
		for *slot != nil {
			c := *slot
			w.remove(c)
			look(c)
		}
	}
}

// all hands every connection to f, which may move or remove it.
func (w *wheel) all(f func(*conn)) {
	var found []*conn
	for _, c := range w.slots {
		for ; c != nil; c = c.link.next {
			found = append(found, c)
		}
	}
	for _, c := range found {
		f(c)
	}
}
