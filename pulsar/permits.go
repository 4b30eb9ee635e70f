package pulsar

import (
	"sync"
	"sync/atomic"
)

// Permits are how many messages the consumers that share them may deliver. They also know how much these have to tell
// their brokers. The zero value is none.
type Permits struct {
	waiting   atomic.Int64 // acknowledgements and requests for redelivery
	congested atomic.Bool  // somebody was told, and is to be told of the end

	mu          sync.Mutex // guards what follows, and Consumer.next; the last that is taken
	n           int
	first, last *Consumer // those that hold messages and wait
}

// Permit allows n more messages. It may be called from any goroutine and does not block.
func (p *Permits) Permit(n int) {
	if n <= 0 {
		return
	}
	p.mu.Lock()
	p.n += n
	list := p.first
	p.first, p.last = nil, nil
	p.mu.Unlock()
	for list != nil {
		p.mu.Lock()
		x := list
		list, x.next, x.waits = x.next, nil, false
		p.mu.Unlock()
		x.resume()
	}
}

// Congested reports that very many acknowledgements and requests for redelivery of the consumers wait for their brokers, which may
// be gone. If it does, one of their handlers is told of Relieved later. It takes no lock.
func (p *Permits) Congested() bool {
	if p.waiting.Load() < congestedFrom {
		return p.congested.Load()
	}
	p.congested.Store(true)
	return p.waiting.Load() > relievedAt || !p.congested.CompareAndSwap(true, false) // it fell meanwhile, and who saw that has not told
}

// count notes that n more, or fewer, wait. It reports that they no longer are very many, and that Relieved is to be told.
func (p *Permits) count(n int) (relieved bool) {
	left := p.waiting.Add(int64(n))
	return n < 0 && left <= relievedAt && p.congested.Load() && p.congested.CompareAndSwap(true, false)
}

// take takes one, or makes x be resumed when there is one.
func (p *Permits) take(x *Consumer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n > 0 {
		p.n--
		return true
	}
	if !x.waits {
		x.waits = true
		if p.last == nil {
			p.first = x
		} else {
			p.last.next = x
		}
		p.last = x
	}
	return false
}

// give gives one back that was taken; who found none meanwhile may have it. No lock of a consumer is held.
func (p *Permits) give() { p.Permit(1) }

// forget makes x not wait.
func (p *Permits) forget(x *Consumer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !x.waits {
		return
	}
	for at, before := p.first, (*Consumer)(nil); at != nil; before, at = at, at.next {
		if at != x {
			continue
		}
		if before == nil {
			p.first = x.next
		} else {
			before.next = x.next
		}
		if p.last == x {
			p.last = before
		}
		x.next, x.waits = nil, false
		return
	}
}
