package pulsar

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// restingInbox is told that the reader rests.
type restingInbox struct {
	*inbox
	mu    sync.Mutex
	since int // messages since
	rests int
}

func (r *restingInbox) Deliver(x *Consumer, m *Received) {
	r.inbox.Deliver(x, m)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since++
}

func (r *restingInbox) Rest(*Consumer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since > 0 {
		r.since = 0
		r.rests++
	}
}

func (r *restingInbox) hasRested() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.since == 0 && r.rests > 0
}

// TestReaderRests tells an owner that there is nothing more for now: once for a batch, for what is handed out when there are permits again,
// and also when the connection breaks with a message in front of what is no frame.
func TestReaderRests(t *testing.T) {
	b := fakebroker.Start(t)
	var breaks atomic.Bool
	b.Outgoing = func(k *fakebroker.Consumer, m *wire.Message) fakebroker.Verdict {
		if !breaks.CompareAndSwap(true, false) {
			return fakebroker.Handle
		}
		k.Conn.Raw(append(wire.AppendMessage(nil, m, nil, &wire.Metadata{}, []byte(text(100))), "HTTP/1.1 400 Bad Request\r\n\r\n"...))
		return fakebroker.Ignore
	}
	publishBatch(b, topic, texts(0, 50)...)
	in := &restingInbox{inbox: newInbox(t)}
	c := newClient(t, Options{ServiceURL: b.URL()})
	var permits Permits
	permits.Permit(20)
	x := c.NewConsumer(topic, "s", earliest(wire.Shared), &permits, in)
	in.awaitAll(texts(0, 20)...)
	eventually(t, "rest", in.hasRested)
	permits.Permit(1000)
	in.awaitAll(texts(20, 30)...)
	eventually(t, "rest", in.hasRested)
	in.mu.Lock()
	if in.rests > 2 {
		t.Errorf("%d rests for a batch in two parts", in.rests)
	}
	in.mu.Unlock()
	in.ack = false
	breaks.Store(true)
	publishText(b, topic, text(100))
	in.awaitAll(text(100))
	eventually(t, "rest", in.hasRested)
	closeConsumer(t, x)
}

// TestRestOfAnEarlierConnection has the reader of a connection rest that a consumer has left: that of the one it has now tells its owner, too.
func TestRestOfAnEarlierConnection(t *testing.T) {
	c := newClient(t, Options{ServiceURL: fakebroker.Start(t).URL()})
	before, now := newConn(c, connKey{}), newConn(c, connKey{})
	in := &restingInbox{inbox: newInbox(t), since: 1}
	x := &Consumer{handler: in}
	stir := func(on *conn) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.stirLocked(on)
	}
	stir(before)
	stir(now) // it has moved, and the message is about to be delivered
	before.rest()
	in.since = 1
	now.rest()
	if !in.hasRested() || in.rests != 2 {
		t.Errorf("%d rests, and something was delivered since", in.rests)
	}
	stir(now)
	stir(now)
	if n := len(now.stirred); n != 1 {
		t.Errorf("listed %d times", n)
	}
}
