package bridgetest

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/latency"
)

// Outlet is a socket whose owner is the test: Fill writes what the session has.
type Outlet struct {
	Session bridge.Session

	Mu      sync.Mutex // guards the next four
	wakes   int
	Resumed int // how often
	Ended   string
	Code    codec.Code // it ended with

	lines  []string
	Frames []*ws.Frame // that were shared
	room   int
}

// Wake implements [bridge.Outlet].
func (o *Outlet) Wake() { o.Mu.Lock(); o.wakes++; o.Mu.Unlock() }

// Resume implements [bridge.Outlet].
func (o *Outlet) Resume() { o.Mu.Lock(); o.Resumed++; o.Mu.Unlock() }

// End implements [bridge.Outlet].
func (o *Outlet) End(code codec.Code, reason string) {
	o.Mu.Lock()
	o.Code, o.Ended = code, reason
	o.Mu.Unlock()
}

// Woken is how often it was woken.
func (o *Outlet) Woken() int { o.Mu.Lock(); defer o.Mu.Unlock(); return o.wakes }

// RemoteAddr implements [bridge.Outlet].
func (o *Outlet) RemoteAddr() string { return "192.0.2.1:1" }

// Room implements [bridge.Writer].
func (o *Outlet) Room() bool { return o.room > 0 }

// Now implements [bridge.Writer].
func (o *Outlet) Now() time.Duration { return latency.Now() }

// Append implements [bridge.Writer].
func (o *Outlet) Append(add func([]byte) []byte) {
	o.room--
	o.lines = append(o.lines, string(add(nil)))
}

// Shared implements [bridge.Writer].
func (o *Outlet) Shared(f *ws.Frame) {
	o.room--
	o.Frames = append(o.Frames, f)
	o.lines = append(o.lines, string(f.Payload()))
}

// Ack acknowledges an entry.
func (o *Outlet) Ack(t testing.TB, entry int64) { t.Helper(); o.Handle(t, `{`, Message(entry).ID) }

// Nack refuses an entry.
func (o *Outlet) Nack(t testing.TB, entry int64) {
	t.Helper()
	o.Handle(t, `{"type":"negativeAcknowledge",`, Message(entry).ID)
}

// Handle takes a frame of the client's that begins like that and names a message.
func (o *Outlet) Handle(t testing.TB, frame string, id codec.MessageID) {
	t.Helper()
	if err := o.Session.Handle(append(id.AppendText([]byte(frame+`"messageId":"`)), `"}`...)); err != nil {
		t.Fatal(err)
	}
}

// Fill lets the session write up to n frames and returns them.
func (o *Outlet) Fill(n int) []string {
	o.room, o.lines = n, nil
	o.Session.Fill(o)
	return o.lines
}

// Entries are the entry numbers of the message ids among frames.
func Entries(t testing.TB, frames []string) []int64 {
	t.Helper()
	var all []int64
	for _, f := range frames {
		text := f[strings.Index(f, `"messageId":"`)+len(`"messageId":"`):]
		id, err := codec.ParseMessageID([]byte(text[:strings.IndexByte(text, '"')]))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, id.EntryID)
	}
	return all
}

// WaitFor waits until cond holds; the test's own deadline ends it.
func WaitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

type openedSession struct {
	s   bridge.Session
	err error
}

// Attach opens a session and gives it to its outlet. The end of the test closes it.
func Attach(t testing.TB, open func(bridge.Outlet, bridge.Opened) (cancel func())) *Outlet {
	t.Helper()
	o := &Outlet{}
	ch := make(chan openedSession, 1)
	open(o, func(s bridge.Session, err error) { ch <- openedSession{s, err} })
	got := <-ch
	if got.err != nil {
		t.Fatal(got.err)
	}
	o.Session = got.s
	t.Cleanup(got.s.Close)
	return o
}
