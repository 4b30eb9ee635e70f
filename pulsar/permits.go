package pulsar

import (
	"sync"
	"sync/atomic"
)

// Permits are how many messages the consumers that share them may deliver. They also know how much these have to tell
// their brokers. The zero value is none.
//
// Consumers that hold messages and find no permit wait in line, and one at a time is served: it takes what there is, and is behind all
// others when that was not enough. So a topic with a backlog keeps no other waiting, and a permit costs the same however
// many wait.
type Permits struct {
	waiting   atomic.Int64 // acknowledgements and requests for redelivery
	congested atomic.Bool  // somebody was told, and is to be told of the end

	mu          sync.Mutex // guards what follows, and Consumer.next; the last that is taken
	n           int
	first, last *Consumer // those that hold messages and wait
	served      *Consumer // its turn it is: the reader of its connection will call pass; nil: nobody's
}

// Permit allows n more messages. It may be called from any goroutine and does not block.
func (p *Permits) Permit(n int) {
	if n <= 0 {
		return
	}
	p.mu.Lock()
	p.n += n
	x := p.nextLocked()
	p.mu.Unlock()
	p.serve(x)
}

// pass ends x's turn, if it is that.
func (p *Permits) pass(x *Consumer) {
	p.mu.Lock()
	if p.served != x {
		p.mu.Unlock()
		return
	}
	p.served = nil
	x = p.nextLocked()
	p.mu.Unlock()
	p.serve(x)
}

// serve resumes x, whose turn it is, or who comes next if x has no use for it; nil: nobody.
func (p *Permits) serve(x *Consumer) {
	for x != nil && !x.resume() {
		p.mu.Lock()
		if p.served == x {
			p.served = nil
		}
		x = p.nextLocked()
		p.mu.Unlock()
	}
}

// nextLocked takes the next in line out, whose turn it is; nil: there is none, or no permit, or it is another's.
func (p *Permits) nextLocked() *Consumer {
	x := p.first
	if x == nil || p.n == 0 || p.served != nil {
		return nil
	}
	if p.first = x.next; p.first == nil {
		p.last = nil
	}
	x.next, x.waits = nil, false
	p.served = x
	return x
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

// take takes one, or, if x holds more, puts it in line for when there is one.
func (p *Permits) take(x *Consumer, more bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n > 0 {
		p.n--
		return true
	}
	if more && !x.waits {
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
