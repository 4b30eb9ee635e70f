package subscribe

import "sync/atomic"

// latch is something that happens once and can be waited for. Once it has happened it is a nil pointer, where a
// channel of its own would stay: very many sessions have one.
type latch struct{ waited atomic.Pointer[chan struct{}] }

// happened is what is left of all that have.
var happened = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// begin is called before anybody waits.
func (l *latch) begin() {
	c := make(chan struct{})
	l.waited.Store(&c)
}

// done returns a channel that is closed when it has happened.
func (l *latch) done() <-chan struct{} {
	if c := l.waited.Load(); c != nil {
		return *c
	}
	return happened
}

// happen is called once.
func (l *latch) happen() { close(*l.waited.Swap(nil)) }
