//go:build linux

package loop

// Timer calls a function at a time. Its zero value is not set. It belongs to
// the loop it is set on.
type Timer struct {
	at    int64
	f     func()
	index int // its place in the heap, counted from 1; 0: not set
}

// Set makes t call f on the loop at the given time of [Loop.Now], or as soon as
// possible when that has passed. What t was set to before is forgotten.
func (l *Loop) Set(t *Timer, at int64, f func()) {
	l.Unset(t)
	t.at, t.f = at, f
	l.timers.add(t)
}

// At is the time that t is or was last set to.
func (t *Timer) At() int64 { return t.at }

// Unset makes t call nothing.
func (l *Loop) Unset(t *Timer) {
	if t.index != 0 {
		l.timers.remove(t)
	}
}

// timers is a heap: the first is due first.
type timers []*Timer

func (h *timers) add(t *Timer) {
	*h = append(*h, t)
	t.index = len(*h)
	h.up(t.index)
}

func (h *timers) remove(t *Timer) {
	last := len(*h)
	i := t.index
	h.swap(i, last)
	(*h)[last-1] = nil
	*h = (*h)[:last-1]
	t.index, t.f = 0, nil // what f holds is not kept for a timer that is not set
	if i < last {
		h.up(i)
		h.down(i)
	}
}

func (h timers) swap(i, j int) {
	h[i-1], h[j-1] = h[j-1], h[i-1]
	h[i-1].index, h[j-1].index = i, j
}

func (h timers) before(i, j int) bool { return h[i-1].at < h[j-1].at }

func (h timers) up(i int) {
	for i > 1 && h.before(i, i/2) {
		h.swap(i, i/2)
		i /= 2
	}
}

func (h timers) down(i int) {
	for {
		child := 2 * i
		if child > len(h) {
			return
		}
		if child < len(h) && h.before(child+1, child) {
			child++
		}
		if !h.before(child, i) {
			return
		}
		h.swap(i, child)
		i = child
	}
}
