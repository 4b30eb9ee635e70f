package bridge

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/codec"
)

var emptyEnd = codec.MessageID{LedgerID: -1, EntryID: -1, Partition: -1, BatchIndex: -1}

func latest() ReaderSpec { return ReaderSpec{Topic: topic, Start: StartLatest, Queue: 1000} }

func tailOf(t *testing.T, u *fakeUpstream, i int) *fakeConsumer {
	t.Helper()
	waitFor(t, "the tail's permits", func() bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		return len(u.readers) > i && u.readers[i].allowed() > 0
	})
	return u.reader(i)
}

func TestReadersShareFramesOfTheTail(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd}
	b := newBridge(t, u, Options{})
	one, two := read(t, b, latest(), ReadOptions{Window: 9}), read(t, b, latest(), ReadOptions{Window: 9})
	up := tailOf(t, u, 0)
	if len(u.readers) != 1 {
		t.Fatalf("%d upstream readers for two sessions", len(u.readers))
	}
	for i := range int64(3) {
		up.deliver(t, i)
	}
	got := entries(t, one.fill(9))
	if !slices.Equal(got, []int64{0, 1, 2}) || !slices.Equal(entries(t, two.fill(9)), got) {
		t.Fatalf("read %v", got)
	}
	if one.frames[2] != two.frames[2] {
		t.Error("a message was encoded twice")
	}
	wakes := one.woken()
	up.deliver(t, 3)
	if one.woken() != wakes+1 {
		t.Error("the tail's next message did not wake a session at its end")
	}
}

func TestReaderAtLatestSkipsWhatWasPublishedBefore(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd}
	b := newBridge(t, u, Options{})
	read(t, b, latest(), ReadOptions{Window: 9})
	up := tailOf(t, u, 0)
	up.deliver(t, 0)
	// Message 1 is confirmed when the second session opens, but has not reached the tail.
	u.mu.Lock()
	u.last = message(1).ID
	u.mu.Unlock()
	late := read(t, b, latest(), ReadOptions{Window: 9})
	up.deliver(t, 1)
	up.deliver(t, 2)
	if got := entries(t, late.fill(9)); !slices.Equal(got, []int64{2}) {
		t.Fatalf("read %v, want what came after it opened", got)
	}
}

// A topic whose messages the broker has all deleted looks empty; the ring may
// still hold some of them, which are no news to whoever opens now.
func TestReaderAtLatestOfATrimmedTopic(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd}
	b := newBridge(t, u, Options{})
	read(t, b, latest(), ReadOptions{Window: 9})
	up := tailOf(t, u, 0)
	up.deliver(t, 0)
	up.deliver(t, 1)
	late := read(t, b, latest(), ReadOptions{Window: 9}) // the end is still an empty topic's
	up.deliver(t, 2)
	if got := entries(t, late.fill(9)); !slices.Equal(got, []int64{2}) {
		t.Fatalf("read %v, want what came after it opened", got)
	}
}

func TestReaderWindow(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd}
	b := newBridge(t, u, Options{})
	o := read(t, b, latest(), ReadOptions{Window: 2})
	up := tailOf(t, u, 0)
	for i := range int64(4) {
		up.deliver(t, i)
	}
	if got := entries(t, o.fill(9)); !slices.Equal(got, []int64{0, 1}) {
		t.Fatalf("read %v into a window of 2", got)
	}
	wakes := o.woken()
	if err := o.s.Handle([]byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if o.woken() == wakes {
		t.Fatal("an answer frees a place, but nothing woke the session")
	}
	if got := entries(t, o.fill(9)); !slices.Equal(got, []int64{2}) {
		t.Fatalf("read %v", got)
	}
	var fault *codec.Error
	if err := o.s.Handle([]byte(`x`)); !errors.As(err, &fault) || fault.Code != codec.CodeDeserialize {
		t.Errorf("not JSON: %v", err)
	}
}

func TestReaderInThePastCatchesUpAndJoins(t *testing.T) {
	u := &fakeUpstream{last: message(2).ID}
	b := newBridge(t, u, Options{Linger: -1})
	o := read(t, b, ReaderSpec{Topic: topic, Start: StartEarliest, Queue: 1000}, ReadOptions{Window: 100})
	tail := tailOf(t, u, 0)
	past := tailOf(t, u, 1)
	if past.reader.Start != StartEarliest {
		t.Fatalf("reads from %v", past.reader.Start)
	}
	tail.deliver(t, 3)
	past.deliver(t, 0)
	past.deliver(t, 1)
	past.deliver(t, 2)
	if got := entries(t, o.fill(99)); !slices.Equal(got, []int64{0, 1, 2, 3}) {
		t.Fatalf("read %v", got)
	}
	waitFor(t, "the catch-up's reader to close", past.isClosed)
	past.r.Deliver(message(3)) // under way when it closed
	tail.deliver(t, 4)
	if got := entries(t, o.fill(99)); !slices.Equal(got, []int64{4}) {
		t.Fatalf("read %v", got)
	}
}

func TestReadersAtTheSamePlaceShareACatchUp(t *testing.T) {
	u := &fakeUpstream{last: message(50).ID}
	b := newBridge(t, u, Options{})
	spec := ReaderSpec{Topic: topic, Start: StartEarliest, Queue: 1000}
	one := read(t, b, spec, ReadOptions{Window: 100})
	past := tailOf(t, u, 1)
	for i := range int64(3) {
		past.deliver(t, i)
	}
	two := read(t, b, spec, ReadOptions{Window: 100})
	spec.Start, spec.Position = StartAtPosition, message(1).ID
	three := read(t, b, spec, ReadOptions{Window: 100})
	spec.Position = message(30).ID
	far := read(t, b, spec, ReadOptions{Window: 100})
	if len(u.readers) != 3 || u.reader(2).reader.Position.EntryID != 30 {
		t.Fatalf("%d upstream readers, want the tail's, one for three sessions, one for that which is ahead", len(u.readers))
	}
	all := []int64{0, 1, 2}
	got := entries(t, one.fill(9))
	if !slices.Equal(got, all) || !slices.Equal(entries(t, two.fill(9)), all) || !slices.Equal(entries(t, three.fill(9)), []int64{2}) {
		t.Fatalf("read %v", got)
	}
	if one.frames[2] != two.frames[2] {
		t.Error("a message was encoded twice")
	}
	if got := entries(t, far.fill(9)); len(got) != 0 {
		t.Errorf("the one ahead read %v", got)
	}
}

// inOneCatchUp opens two readers of the same topic from its beginning, and returns
// them and the upstream reader that they share.
func inOneCatchUp(t *testing.T, tailBytes int) (u *fakeUpstream, quick, slow *fakeOutlet, past *fakeConsumer) {
	t.Helper()
	u = &fakeUpstream{last: message(1000).ID}
	b := newBridge(t, u, Options{TailBytes: tailBytes})
	spec := ReaderSpec{Topic: topic, Start: StartEarliest, Queue: 1000}
	quick, slow = read(t, b, spec, ReadOptions{Window: 1000}), read(t, b, spec, ReadOptions{Window: 1000})
	return u, quick, slow, tailOf(t, u, 1)
}

// deliverAll uses all permits, for messages from n on, and returns the number behind them.
func (c *fakeConsumer) deliverAll(t *testing.T, n int64) int64 {
	t.Helper()
	for ; c.allowed() > 0; n++ {
		c.deliver(t, n)
	}
	return n
}

// A catch-up waits for its members, but not for ever for one that keeps others waiting.
func TestCatchUpLeavesBehindWhoStalls(t *testing.T) {
	u, quick, slow, past := inOneCatchUp(t, catchUpShare*150*10)
	var n int64
	deliver := func() { n = past.deliverAll(t, n) }
	deliver()
	if quick.fill(1000); n > 20 {
		t.Fatalf("%d messages fetched ahead of a session that takes none", n)
	}
	quick.fill(1000) // waits for more
	for before := n; n == before; deliver() {
		waitFor(t, "the catch-up to go on", func() bool { return past.allowed() > 0 })
	}
	slow.fill(1000)
	own := tailOf(t, u, 2)
	if own.reader.Start != StartEarliest {
		t.Fatalf("the slow one, which has read nothing, begins again at %v", own.reader)
	}
}

func TestReaderAtAPositionInTheRingNeedsNoReaderOfItsOwn(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd}
	b := newBridge(t, u, Options{})
	read(t, b, latest(), ReadOptions{Window: 9})
	up := tailOf(t, u, 0)
	for i := range int64(4) {
		up.deliver(t, i)
	}
	spec := ReaderSpec{Topic: topic, Start: StartAtPosition, Position: message(1).ID, Queue: 9}
	o := read(t, b, spec, ReadOptions{Window: 9})
	if got := entries(t, o.fill(9)); !slices.Equal(got, []int64{2, 3}) {
		t.Fatalf("read %v", got)
	}
	if len(u.readers) != 1 {
		t.Errorf("%d upstream readers", len(u.readers))
	}
}

func TestSlowReaderFallsBackAndReturns(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd}
	b := newBridge(t, u, Options{TailBytes: 600}) // a few frames
	slow := read(t, b, latest(), ReadOptions{Window: 100})
	quick := read(t, b, latest(), ReadOptions{Window: 100})
	up := tailOf(t, u, 0)
	up.deliver(t, 0)
	if got := entries(t, slow.fill(1)); !slices.Equal(got, []int64{0}) {
		t.Fatalf("read %v", got)
	}
	var seen []int64
	for i := int64(1); i < 20; i++ {
		slow.fill(0) // it runs, but its socket has no room
		seen = append(seen, entries(t, quick.fill(9))...)
		up.deliver(t, i)
	}
	if seen = append(seen, entries(t, quick.fill(9))...); len(seen) != 20 {
		t.Fatalf("the quick reader got %v", seen)
	}
	slow.fill(99)
	past := tailOf(t, u, 1)
	if past.reader.Start != StartAtPosition || past.reader.Position.EntryID != 0 {
		t.Fatalf("reads on from %+v", past.reader)
	}
	var got []int64
	for i := int64(1); len(got) < 19; i++ {
		if past.allowed() > 0 {
			past.deliver(t, i)
		}
		got = append(got, entries(t, slow.fill(99))...)
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
	waitFor(t, "it to be back on the tail", past.isClosed)
}

// While sessions have not run since the tail's last frames, the upstream gets no more permits.
func TestTailWaitsForItsSessionsToRun(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd}
	b := newBridge(t, u, Options{TailBytes: 100 * 150})
	o := read(t, b, latest(), ReadOptions{Window: 1000})
	up := tailOf(t, u, 0)
	o.fill(9) // parks
	n := int64(0)
	for up.allowed() > 0 {
		up.deliver(t, n)
		n++
	}
	if got := entries(t, o.fill(1000)); len(got) != int(n) {
		t.Fatalf("%d of %d messages: the ring was overrun", len(got), n)
	}
	if up.allowed() == 0 {
		t.Fatal("no permits after the session had run")
	}
}

func TestReaderContextIsAddedToTheSharedFrame(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd}
	b := newBridge(t, u, Options{})
	o := read(t, b, latest(), ReadOptions{Window: 9, Format: codec.Format{Context: `a"b`, HasContext: true}})
	tailOf(t, u, 0).deliver(t, 0)
	got := o.fill(9)
	if len(got) != 1 || !strings.HasSuffix(got[0], `,"context":"a\"b"}`) || len(u.readers) != 1 {
		t.Fatalf("wrote %q", got)
	}
}

func TestTailLingersAndCloses(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd}
	b := newBridge(t, u, Options{Linger: 20 * time.Millisecond})
	o := read(t, b, latest(), ReadOptions{Window: 9})
	up := tailOf(t, u, 0)
	o.s.Close()
	waitFor(t, "the tail to close", up.isClosed)
	waitFor(t, "nothing to be left", func() bool {
		g := b.Gauges()
		return g.Tails == 0 && g.UpstreamReaders == 0 && g.ReaderSessions == 0
	})
}

// A frame that is larger than what the ring may hold leaves behind who does not
// take it, and does not hold up the others.
func TestCatchUpGoesOnBehindOneLargeFrame(t *testing.T) {
	u, quick, slow, past := inOneCatchUp(t, catchUpShare*100) // less than a frame
	var n int64
	deliver := func() { n = past.deliverAll(t, n) }
	deliver()
	quick.fill(1000)
	slow.fill(1000)
	quick.fill(1000)
	slow.fill(1000)
	for range 3 {
		before := n
		for n == before {
			waitFor(t, "the catch-up to go on", func() bool { return past.allowed() > 0 })
			deliver()
		}
		quick.fill(1000)
		quick.fill(1000)
	}
	slow.fill(1000)
	own := tailOf(t, u, 2)
	if own.reader.Start != StartAtPosition {
		t.Fatalf("begins again at %v", own.reader)
	}
}
