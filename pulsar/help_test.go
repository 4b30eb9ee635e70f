package pulsar

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// windowsOf are the [Windows] of a test, with limit for each consumer.
type windowsOf struct {
	limit       int
	taken, most atomic.Int64
}

func (w *windowsOf) Allowance() int { return w.limit }

func (w *windowsOf) Take(n int) {
	now := w.taken.Add(int64(n))
	for most := w.most.Load(); now > most && !w.most.CompareAndSwap(most, now); most = w.most.Load() {
	}
}

// newClient makes a client that ends with the test, and then has nothing reserved.
func newClient(t testing.TB, o Options) *Client {
	t.Helper()
	if o.MinBackoff == 0 {
		o.MinBackoff, o.MaxBackoff = time.Millisecond, 20*time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	windows, ours := o.Windows.(*windowsOf)
	if !ours {
		windows = &windowsOf{limit: 64 << 20}
		o.Windows = windows
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		done := make(chan struct{})
		go func() {
			c.Close()
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("the client does not close")
		}
		if c.memory.Load() != 0 {
			t.Errorf("%d bytes stay reserved", c.memory.Load())
		}
		if n := windows.taken.Load(); n != 0 {
			t.Errorf("%d bytes of windows stay reserved", n)
		}
	})
	return c
}

// watcher is an Owner and a PublisherOwner.
type watcher struct {
	opened chan error // holds one
	ended  chan error // holds one
	pub    Publisher
}

func newWatcher() *watcher { return &watcher{opened: make(chan error, 1), ended: make(chan error, 1)} }

// producerOwner is w as Owner.
type producerOwner struct{ *watcher }

func (w producerOwner) Opened(p *Producer, err error) { w.pub = p; w.opened <- err }
func (w producerOwner) Ended(_ *Producer, err error)  { w.ended <- err }

func (w *watcher) Opened(p Publisher, err error) { w.pub = p; w.opened <- err }
func (w *watcher) Ended(err error)               { w.ended <- err }

// receive waits for something that must come.
func receive[T any](t testing.TB, what string, ch <-chan T) (x T) {
	t.Helper()
	select {
	case x = <-ch:
	case <-time.After(patience):
		t.Fatalf("%s does not come", what)
	}
	return x
}

// openProducer opens a producer, which has to succeed.
func openProducer(t testing.TB, c *Client, o ProducerOptions) (*Producer, *watcher) {
	t.Helper()
	w := newWatcher()
	p := c.NewProducer(o, producerOwner{w})
	if err := receive(t, "the producer", w.opened); err != nil {
		t.Fatal(err)
	}
	return p, w
}

// openPublisher opens a publisher, which has to succeed.
func openPublisher(t testing.TB, c *Client, o ProducerOptions, r Routing) Publisher {
	t.Helper()
	w := newWatcher()
	c.OpenPublisher(o, r, w)
	if err := receive(t, "the publisher", w.opened); err != nil {
		t.Fatal(err)
	}
	return w.pub
}

// ledger is what became of messages.
type ledger struct {
	t testing.TB

	mu   sync.Mutex // guards all of it
	left int
	done map[string]int // answers by message
	ids  map[string]MessageID
	errs map[string]error
	none chan struct{} // closed while nothing is left
	news chan struct{} // holds one when there are more answers
}

func newLedger(t testing.TB) *ledger {
	none := make(chan struct{})
	close(none)
	return &ledger{t: t, done: map[string]int{}, ids: map[string]MessageID{}, errs: map[string]error{}, none: none, news: make(chan struct{}, 1)}
}

// receiptFor is the Done of one message.
type receiptFor struct {
	l    *ledger
	text string
}

func (r receiptFor) Sent(id MessageID, err error) {
	l := r.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done[r.text]++; l.done[r.text] > 1 {
		l.t.Errorf("%q is answered %d times", r.text, l.done[r.text])
		return
	}
	l.ids[r.text] = id
	if err != nil {
		l.errs[r.text] = err
	}
	if l.left--; l.left == 0 {
		close(l.none)
	}
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// send publishes a text, which must be a new one.
func (l *ledger) send(p Publisher, text string) {
	l.sendMessage(p, text, &Message{Payload: []byte(text)})
}

func (l *ledger) sendMessage(p Publisher, text string, m *Message) {
	l.mu.Lock()
	if l.left++; l.left == 1 {
		l.none = make(chan struct{})
	}
	l.mu.Unlock()
	p.Send(m, receiptFor{l, text})
}

// wait waits until everything is answered.
func (l *ledger) wait() {
	l.t.Helper()
	l.waitWithin(patience)
}

func (l *ledger) waitWithin(limit time.Duration) {
	l.t.Helper()
	l.mu.Lock()
	none := l.none
	l.mu.Unlock()
	select {
	case <-none:
	case <-time.After(limit):
		l.mu.Lock()
		defer l.mu.Unlock()
		l.t.Fatalf("%d messages are not answered", l.left)
	}
}

// waitFor waits until at least n messages are answered in all.
func (l *ledger) waitFor(n int) {
	l.t.Helper()
	late := time.After(patience)
	for {
		l.mu.Lock()
		have := len(l.done)
		l.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-l.news:
		case <-late:
			l.t.Fatalf("%d messages are answered, want %d", have, n)
		}
	}
}

func (l *ledger) unanswered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left
}

// err is why a message was not stored.
func (l *ledger) err(text string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errs[text]
}

// check compares with what the broker has: all that is confirmed, once where once says so, and in order.
func (l *ledger) check(stored []fakebroker.Message, once bool) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	times := map[string]int{}
	newest := ""
	for _, m := range stored {
		times[m.Payload]++
		if times[m.Payload] > 1 {
			if once {
				l.t.Errorf("%q is stored %d times", m.Payload, times[m.Payload])
			}
			continue
		}
		if m.Payload < newest {
			l.t.Errorf("%q is stored after %q", m.Payload, newest)
		}
		newest = m.Payload
	}
	for text := range l.done {
		if l.errs[text] == nil && times[text] == 0 {
			l.t.Errorf("%q is confirmed and not stored", text)
		}
	}
}

// checkPlaces compares where messages are said to be stored with where they are.
func (l *ledger) checkPlaces(stored []fakebroker.Message) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for text, id := range l.ids {
		if l.errs[text] != nil || id.EntryID < 0 {
			continue
		}
		if at := int(id.EntryID) + max(0, int(id.BatchIndex)); at >= len(stored) || stored[at].Payload != text {
			l.t.Errorf("%q is not at %+v", text, id)
		}
	}
}

// text is a message whose order is that of n.
func text(n int) string { return fmt.Sprintf("message %06d", n) }

// long is a text as text is, of many bytes.
func long(n, bytes int) string { return text(n) + strings.Repeat(".", bytes) }
