package read

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	"github.com/pulsegate/pulsegate/bridge/census"
	"github.com/pulsegate/pulsegate/codec"
)

func latest() bridge.ReaderSpec {
	return bridge.ReaderSpec{Topic: topic, Start: bridge.StartLatest, Queue: 1000}
}

func tailOf(t *testing.T, u *bridgetest.Upstream, i int) *bridgetest.Consumer {
	t.Helper()
	waitFor(t, "the tail's permits", func() bool {
		u.Mu.Lock()
		defer u.Mu.Unlock()
		return len(u.Readers) > i && u.Readers[i].Allowed() > 0
	})
	return u.Reader(i)
}

func TestReadersShareFramesOfTheTail(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd}
	rs := newReaders(t, u, options{})
	one, two := read(t, rs, latest(), bridge.ReadOptions{Window: 9}), read(t, rs, latest(), bridge.ReadOptions{Window: 9})
	up := tailOf(t, u, 0)
	if len(u.Readers) != 1 {
		t.Fatalf("%d upstream readers for two sessions", len(u.Readers))
	}
	for i := range int64(3) {
		up.Deliver(t, i)
	}
	got := entries(t, one.Fill(9))
	if !slices.Equal(got, []int64{0, 1, 2}) || !slices.Equal(entries(t, two.Fill(9)), got) {
		t.Fatalf("read %v", got)
	}
	if one.Frames[2] != two.Frames[2] {
		t.Error("a message was encoded twice")
	}
	wakes := one.Woken()
	up.Deliver(t, 3)
	if one.Woken() != wakes+1 {
		t.Error("the tail's next message did not wake a session at its end")
	}
}

func TestReaderAtLatestSkipsWhatWasPublishedBefore(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd}
	rs := newReaders(t, u, options{})
	read(t, rs, latest(), bridge.ReadOptions{Window: 9})
	up := tailOf(t, u, 0)
	up.Deliver(t, 0)
	// Message 1 is confirmed when the second session opens, but has not reached the tail.
	u.Mu.Lock()
	u.Last = message(1).ID
	u.Mu.Unlock()
	late := read(t, rs, latest(), bridge.ReadOptions{Window: 9})
	up.Deliver(t, 1)
	up.Deliver(t, 2)
	if got := entries(t, late.Fill(9)); !slices.Equal(got, []int64{2}) {
		t.Fatalf("read %v, want what came after it opened", got)
	}
}

// A topic whose messages the broker has all deleted looks empty; the ring may
// still hold some of them, which are no news to whoever opens now.
func TestReaderAtLatestOfATrimmedTopic(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd}
	rs := newReaders(t, u, options{})
	read(t, rs, latest(), bridge.ReadOptions{Window: 9})
	up := tailOf(t, u, 0)
	up.Deliver(t, 0)
	up.Deliver(t, 1)
	late := read(t, rs, latest(), bridge.ReadOptions{Window: 9}) // the end is still an empty topic's
	up.Deliver(t, 2)
	if got := entries(t, late.Fill(9)); !slices.Equal(got, []int64{2}) {
		t.Fatalf("read %v, want what came after it opened", got)
	}
}

func TestReaderWindow(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd}
	rs := newReaders(t, u, options{})
	o := read(t, rs, latest(), bridge.ReadOptions{Window: 2})
	up := tailOf(t, u, 0)
	for i := range int64(4) {
		up.Deliver(t, i)
	}
	if got := entries(t, o.Fill(9)); !slices.Equal(got, []int64{0, 1}) {
		t.Fatalf("read %v into a window of 2", got)
	}
	wakes := o.Woken()
	if err := o.Session.Handle([]byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if o.Woken() == wakes {
		t.Fatal("an answer frees a place, but nothing woke the session")
	}
	if got := entries(t, o.Fill(9)); !slices.Equal(got, []int64{2}) {
		t.Fatalf("read %v", got)
	}
	var fault *codec.Error
	if err := o.Session.Handle([]byte(`x`)); !errors.As(err, &fault) || fault.Code != codec.CodeDeserialize {
		t.Errorf("not JSON: %v", err)
	}
}

func TestReaderInThePastCatchesUpAndJoins(t *testing.T) {
	u := &bridgetest.Upstream{Last: message(2).ID}
	rs := newReaders(t, u, options{Linger: -1})
	o := read(t, rs, bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest, Queue: 1000}, bridge.ReadOptions{Window: 100})
	tail := tailOf(t, u, 0)
	past := tailOf(t, u, 1)
	if past.ReaderSpec.Start != bridge.StartEarliest {
		t.Fatalf("reads from %v", past.ReaderSpec.Start)
	}
	tail.Deliver(t, 3)
	past.Deliver(t, 0)
	past.Deliver(t, 1)
	past.Deliver(t, 2)
	if got := entries(t, o.Fill(99)); !slices.Equal(got, []int64{0, 1, 2, 3}) {
		t.Fatalf("read %v", got)
	}
	waitFor(t, "the catch-up's reader to close", past.IsClosed)
	past.Receiver.Deliver(message(3)) // under way when it closed
	tail.Deliver(t, 4)
	if got := entries(t, o.Fill(99)); !slices.Equal(got, []int64{4}) {
		t.Fatalf("read %v", got)
	}
}

func TestReadersAtTheSamePlaceShareACatchUp(t *testing.T) {
	u := &bridgetest.Upstream{Last: message(50).ID}
	rs := newReaders(t, u, options{})
	spec := bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest, Queue: 1000}
	one := read(t, rs, spec, bridge.ReadOptions{Window: 100})
	past := tailOf(t, u, 1)
	for i := range int64(3) {
		past.Deliver(t, i)
	}
	two := read(t, rs, spec, bridge.ReadOptions{Window: 100})
	spec.Start, spec.Position = bridge.StartAtPosition, message(1).ID
	three := read(t, rs, spec, bridge.ReadOptions{Window: 100})
	spec.Position = message(30).ID
	far := read(t, rs, spec, bridge.ReadOptions{Window: 100})
	if len(u.Readers) != 3 || u.Reader(2).ReaderSpec.Position.EntryID != 30 {
		t.Fatalf("%d upstream readers, want the tail's, one for three sessions, one for that which is ahead", len(u.Readers))
	}
	all := []int64{0, 1, 2}
	got := entries(t, one.Fill(9))
	if !slices.Equal(got, all) || !slices.Equal(entries(t, two.Fill(9)), all) || !slices.Equal(entries(t, three.Fill(9)), []int64{2}) {
		t.Fatalf("read %v", got)
	}
	if one.Frames[2] != two.Frames[2] {
		t.Error("a message was encoded twice")
	}
	if got := entries(t, far.Fill(9)); len(got) != 0 {
		t.Errorf("the one ahead read %v", got)
	}
}

// inOneCatchUp opens two readers of the same topic from its beginning, and returns
// them and the upstream reader that they share.
func inOneCatchUp(t *testing.T, tailBytes int) (u *bridgetest.Upstream, quick, slow *bridgetest.Outlet, past *bridgetest.Consumer) {
	t.Helper()
	u = &bridgetest.Upstream{Last: message(1000).ID}
	rs := newReaders(t, u, options{TailBytes: tailBytes})
	spec := bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest, Queue: 1000}
	quick, slow = read(t, rs, spec, bridge.ReadOptions{Window: 1000}), read(t, rs, spec, bridge.ReadOptions{Window: 1000})
	return u, quick, slow, tailOf(t, u, 1)
}

// deliverAll uses all permits, for messages from n on, and returns the number behind them.
func deliverAll(t *testing.T, c *bridgetest.Consumer, n int64) int64 {
	t.Helper()
	for ; c.Allowed() > 0; n++ {
		c.Deliver(t, n)
	}
	return n
}

// A catch-up waits for its members, but not for ever for one that keeps others waiting.
func TestCatchUpLeavesBehindWhoStalls(t *testing.T) {
	u, quick, slow, past := inOneCatchUp(t, catchUpShare*150*10)
	var n int64
	deliver := func() { n = deliverAll(t, past, n) }
	deliver()
	if quick.Fill(1000); n > 20 {
		t.Fatalf("%d messages fetched ahead of a session that takes none", n)
	}
	quick.Fill(1000) // waits for more
	for before := n; n == before; deliver() {
		waitFor(t, "the catch-up to go on", func() bool { return past.Allowed() > 0 })
	}
	slow.Fill(1000)
	own := tailOf(t, u, 2)
	if own.ReaderSpec.Start != bridge.StartEarliest {
		t.Fatalf("the slow one, which has read nothing, begins again at %v", own.ReaderSpec)
	}
}

func TestReaderAtAPositionInTheRingNeedsNoReaderOfItsOwn(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd}
	rs := newReaders(t, u, options{})
	read(t, rs, latest(), bridge.ReadOptions{Window: 9})
	up := tailOf(t, u, 0)
	for i := range int64(4) {
		up.Deliver(t, i)
	}
	spec := bridge.ReaderSpec{Topic: topic, Start: bridge.StartAtPosition, Position: message(1).ID, Queue: 9}
	o := read(t, rs, spec, bridge.ReadOptions{Window: 9})
	if got := entries(t, o.Fill(9)); !slices.Equal(got, []int64{2, 3}) {
		t.Fatalf("read %v", got)
	}
	if len(u.Readers) != 1 {
		t.Errorf("%d upstream readers", len(u.Readers))
	}
}

func TestSlowReaderFallsBackAndReturns(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd}
	rs := newReaders(t, u, options{TailBytes: 600}) // a few frames
	slow := read(t, rs, latest(), bridge.ReadOptions{Window: 100})
	quick := read(t, rs, latest(), bridge.ReadOptions{Window: 100})
	up := tailOf(t, u, 0)
	up.Deliver(t, 0)
	if got := entries(t, slow.Fill(1)); !slices.Equal(got, []int64{0}) {
		t.Fatalf("read %v", got)
	}
	var seen []int64
	for i := int64(1); i < 20; i++ {
		slow.Fill(0) // it runs, but its socket has no room
		seen = append(seen, entries(t, quick.Fill(9))...)
		up.Deliver(t, i)
	}
	if seen = append(seen, entries(t, quick.Fill(9))...); len(seen) != 20 {
		t.Fatalf("the quick reader got %v", seen)
	}
	slow.Fill(99)
	past := tailOf(t, u, 1)
	if past.ReaderSpec.Start != bridge.StartAtPosition || past.ReaderSpec.Position.EntryID != 0 {
		t.Fatalf("reads on from %+v", past.ReaderSpec)
	}
	var got []int64
	for i := int64(1); len(got) < 19; i++ {
		if past.Allowed() > 0 {
			past.Deliver(t, i)
		}
		got = append(got, entries(t, slow.Fill(99))...)
		if i > 1000 {
			break
		}
	}
	want := make([]int64, 19)
	for i := range want {
		want[i] = int64(i + 1)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("the slow reader got %v", got)
	}
	waitFor(t, "it to be back on the tail", past.IsClosed)
}

// While sessions have not run since the tail's last frames, the upstream gets no more permits.
func TestTailWaitsForItsSessionsToRun(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd}
	rs := newReaders(t, u, options{TailBytes: 100 * 150})
	o := read(t, rs, latest(), bridge.ReadOptions{Window: 1000})
	up := tailOf(t, u, 0)
	o.Fill(9) // parks
	n := int64(0)
	for up.Allowed() > 0 {
		up.Deliver(t, n)
		n++
	}
	if got := entries(t, o.Fill(1000)); len(got) != int(n) {
		t.Fatalf("%d of %d messages: the ring was overrun", len(got), n)
	}
	if up.Allowed() == 0 {
		t.Fatal("no permits after the session had run")
	}
}

func TestReaderContextIsAddedToTheSharedFrame(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd}
	rs := newReaders(t, u, options{})
	o := read(t, rs, latest(), bridge.ReadOptions{Window: 9, Format: codec.Format{Context: `a"b`, HasContext: true}})
	tailOf(t, u, 0).Deliver(t, 0)
	got := o.Fill(9)
	if len(got) != 1 || !strings.HasSuffix(got[0], `,"context":"a\"b"}`) || len(u.Readers) != 1 {
		t.Fatalf("wrote %q", got)
	}
}

func TestTailLingersAndCloses(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd}
	counts := census.New()
	rs := newReaders(t, u, options{Linger: 20 * time.Millisecond, Census: counts})
	o := read(t, rs, latest(), bridge.ReadOptions{Window: 9})
	up := tailOf(t, u, 0)
	o.Session.Close()
	waitFor(t, "the tail to close", up.IsClosed)
	waitFor(t, "nothing to be left", func() bool {
		readers, tails := rs.Open()
		return tails == 0 && readers == 0 && counts.Sessions().ReaderSessions == 0
	})
}

// A frame that is larger than what the ring may hold leaves behind who does not
// take it, and does not hold up the others.
func TestCatchUpGoesOnBehindOneLargeFrame(t *testing.T) {
	u, quick, slow, past := inOneCatchUp(t, catchUpShare*100) // less than a frame
	var n int64
	deliver := func() { n = deliverAll(t, past, n) }
	deliver()
	quick.Fill(1000)
	slow.Fill(1000)
	quick.Fill(1000)
	slow.Fill(1000)
	for range 3 {
		before := n
		for n == before {
			waitFor(t, "the catch-up to go on", func() bool { return past.Allowed() > 0 })
			deliver()
		}
		quick.Fill(1000)
		quick.Fill(1000)
	}
	slow.Fill(1000)
	own := tailOf(t, u, 2)
	if own.ReaderSpec.Start != bridge.StartAtPosition {
		t.Fatalf("begins again at %v", own.ReaderSpec)
	}
}
