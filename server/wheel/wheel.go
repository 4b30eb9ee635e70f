// Package wheel keeps what is to be looked at by the tick at which it wants to be.
//
// A wheel belongs to the goroutine that turns it; nothing here is safe for concurrent
// use, and no goroutine runs in it.
package wheel

// Slots is the wheel's span in ticks.
const Slots = 512

// Links is a thing's place in a wheel. It is a part of the thing, so that nothing is
// allocated for it.
type Links[T any] struct {
	prev, next *T
	due        uint32 // tick
	in         bool
}

// Due is the tick at which the thing is looked at, 0 while it is in no wheel.
func (l *Links[T]) Due() uint32 { return l.due }

// Linked is a thing that has a place for one wheel.
type Linked[T any] interface {
	*T
	Links() *Links[T]
}

// Wheel holds things by the tick at which they want to be looked at. To
// put one in, to move it and to take it out cost the same however many there
// are; a tick costs what is due. Deadlines further away than the wheel's span
// are looked at once a turn.
type Wheel[T any, P Linked[T]] struct {
	slots [Slots]*T
	at    uint32 // the tick up to which all was looked at
}

func links[T any, P Linked[T]](p *T) *Links[T] { return P(p).Links() }

// Put schedules x for a tick, at the earliest the next.
func (w *Wheel[T, P]) Put(x *T, due uint32) {
	link := links[T, P](x)
	if link.in {
		w.Remove(x)
	}
	if behind := int32(due - w.at); behind < 1 {
		due = w.at + 1
	} else if behind >= Slots {
		due = w.at + Slots - 1
	}
	head := &w.slots[due%Slots]
	*link = Links[T]{next: *head, due: due, in: true}
	if *head != nil {
		links[T, P](*head).prev = x
	}
	*head = x
}

// Remove takes x out, if it is in.
func (w *Wheel[T, P]) Remove(x *T) {
	link := links[T, P](x)
	if !link.in {
		return
	}
	if link.prev != nil {
		links[T, P](link.prev).next = link.next
	} else {
		w.slots[link.due%Slots] = link.next
	}
	if link.next != nil {
		links[T, P](link.next).prev = link.prev
	}
	*link = Links[T]{}
}

// Advance takes out what is due up to now and hands it to look, which may put
// it in again.
func (w *Wheel[T, P]) Advance(now uint32, look func(*T)) {
	for int32(now-w.at) > 0 {
		w.at++
		slot := &w.slots[w.at%Slots]
		for *slot != nil {
			x := *slot
			w.Remove(x)
			look(x)
		}
	}
}

// All hands everything that is in to f, which may move or remove it.
func (w *Wheel[T, P]) All(f func(*T)) {
	var found []*T
	for _, x := range w.slots {
		for ; x != nil; x = links[T, P](x).next {
			found = append(found, x)
		}
	}
	for _, x := range found {
		f(x)
	}
}
