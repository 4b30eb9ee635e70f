package pulsar

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/backoff"

	"github.com/pulsegate/pulsegate/codec"
)

// readerLink is one reader of the client library. The library reconnects it by
// itself, and asks for a backoff policy when it begins to; from then on it may leave out messages, so it
// is not used any more.
type readerLink struct {
	u      *Upstream
	up     source
	ask    func() (pulsar.MessageID, error) // for the topic's last message; nil: it has none
	id     uint64                           // see consumerID
	ctx    context.Context                  // ends when the connection is lost
	cancel context.CancelFunc
	spare  atomic.Int32  // how many policies are asked for by requests of ours
	busy   chan struct{} // holds a token while up is being read from

	asking sync.Mutex                      // held while a request runs on up: that must not be closed meanwhile
	final  atomic.Pointer[codec.MessageID] // the last message, once the topic is terminated; nil: not known
}

// source is what of the library's readers and consumers is used here.
type source interface {
	Next(context.Context) (pulsar.Message, error)
	Close()
}

// policy is called by the library on its own goroutine. When that is about to
// reconnect, it waits until nobody reads any more, since the library's reader
// touches the same state without a lock.
func (l *readerLink) policy() backoff.Policy {
	if l.spare.Add(-1) < 0 {
		l.cancel()
		select {
		case l.busy <- struct{}{}: // for good
		case <-time.After(time.Second):
		}
	}
	return backoff.NewDefaultBackoff()
}

// next waits for the next message, until the connection is lost or, if wait is
// not 0, that has passed.
func (l *readerLink) next(wait time.Duration) (pulsar.Message, error) {
	select {
	case l.busy <- struct{}{}:
	case <-l.ctx.Done():
		return nil, l.ctx.Err()
	}
	defer func() { <-l.busy }()
	if err := l.ctx.Err(); err != nil {
		return nil, err
	}
	ctx := l.ctx
	if wait > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, wait)
		defer stop()
	}
	return l.up.Next(ctx)
}

// close leaves a request under way to end in the background: if the connection
// was lost meanwhile, that takes up to the operation timeout.
func (l *readerLink) close() {
	l.cancel()
	if l.asking.TryLock() {
		l.end()
		return
	}
	l.u.always(func() {
		l.asking.Lock()
		l.end()
	})
}

// end closes up. asking is held, and released.
func (l *readerLink) end() {
	defer l.asking.Unlock()
	l.up.Close()
	l.u.heard.forget(l.id)
}

// last asks for the topic's last message. It does not wait for the answer once the
// connection is lost.
func (l *readerLink) last() (pulsar.MessageID, error) {
	got := make(chan result[pulsar.MessageID], 1)
	l.u.always(func() {
		l.asking.Lock()
		defer l.asking.Unlock()
		r := result[pulsar.MessageID]{err: errNoConnection}
		if l.ctx.Err() == nil {
			l.spare.Store(1)
			r.value, r.err = l.ask()
			l.spare.Store(0)
		}
		got <- r
	})
	select {
	case r := <-got:
		return r.value, r.err
	case <-l.ctx.Done():
		return nil, errNoConnection
	}
}
