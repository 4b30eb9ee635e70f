package pulsar

import (
	"container/heap"
	"sync"
	"time"
)

// alarm is something that is due at some time. It lies inside what it is for.
type alarm struct {
	ring func() // called on the goroutine of the alarms; must not block

	when  time.Time // guarded by alarms.mu, as is index
	index int       // in the heap, from 1; 0: not set
}

// alarms rings alarms, on one goroutine and with one timer for all. mu is the last lock that
// is taken.
type alarms struct {
	mu     sync.Mutex
	heap   alarmHeap
	wake   chan struct{} // holds one: the first alarm has changed
	closed chan struct{}
	ended  chan struct{}
}

func newAlarms() *alarms {
	a := &alarms{wake: make(chan struct{}, 1), closed: make(chan struct{}), ended: make(chan struct{})}
	go a.run()
	return a
}

// set makes x ring in d, unless it is set to ring earlier. To ring later is up to the
// one that it rings for, which saves setting it with every message.
func (a *alarms) set(x *alarm, d time.Duration) {
	when := time.Now().Add(d)
	a.mu.Lock()
	if x.index == 0 {
		x.when = when
		heap.Push(&a.heap, x)
	} else if when.Before(x.when) {
		x.when = when
		heap.Fix(&a.heap, x.index-1)
	}
	first := x.index == 1 && x.when.Equal(when)
	a.mu.Unlock()
	if first {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}

// clear makes x not ring. It may be ringing at this moment.
func (a *alarms) clear(x *alarm) {
	a.mu.Lock()
	if x.index != 0 {
		heap.Remove(&a.heap, x.index-1)
	}
	a.mu.Unlock()
}

func (a *alarms) run() {
	defer close(a.ended)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		x, d := a.next()
		if x != nil {
			x.ring()
			continue
		}
		timer.Reset(d)
		select {
		case <-timer.C:
		case <-a.wake:
		case <-a.closed:
			return
		}
	}
}

// next takes the first alarm that is due; nil: none is before d.
func (a *alarms) next() (x *alarm, d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.heap) == 0 {
		return nil, time.Hour
	}
	if d = time.Until(a.heap[0].when); d > 0 {
		return nil, d
	}
	select {
	case <-a.closed:
		return nil, 0
	default:
	}
	return heap.Pop(&a.heap).(*alarm), 0
}

// close ends the goroutine. No alarm rings after it has returned.
func (a *alarms) close() {
	close(a.closed)
	<-a.ended
}

// alarmHeap implements [heap.Interface].
type alarmHeap []*alarm

func (h alarmHeap) Len() int           { return len(h) }
func (h alarmHeap) Less(i, j int) bool { return h[i].when.Before(h[j].when) }
func (h alarmHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}

// Push implements [heap.Interface].
func (h *alarmHeap) Push(x any) {
	*h = append(*h, x.(*alarm))
	x.(*alarm).index = len(*h)
}

// Pop implements [heap.Interface].
func (h *alarmHeap) Pop() any {
	n := len(*h) - 1
	x := (*h)[n]
	(*h)[n] = nil
	*h = (*h)[:n]
	x.index = 0
	return x
}
