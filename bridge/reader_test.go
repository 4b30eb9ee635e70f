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
	b := newBridge(t, u, Options{})
	o := read(t, b, ReaderSpec{Topic: topic, Start: StartEarliest, Queue: 1000}, ReadOptions{Window: 100})
	tail := tailOf(t, u, 0)
	own := tailOf(t, u, 1)
	if own.reader.Start != StartEarliest {
		t.Fatalf("reads on its own from %v", own.reader.Start)
	}
	tail.deliver(t, 3)
	own.deliver(t, 0)
	own.deliver(t, 1)
	own.deliver(t, 2)
	waitFor(t, "the own reader to close", own.isClosed)
	own.r.Deliver(message(3)) // under way when it closed
	tail.deliver(t, 4)
	if got := entries(t, o.fill(99)); !slices.Equal(got, []int64{0, 1, 2, 3, 4}) {
		t.Fatalf("read %v", got)
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
	own := tailOf(t, u, 1)
	if own.reader.Start != StartAtPosition || own.reader.Position.EntryID != 0 {
		t.Fatalf("reads on from %+v", own.reader)
	}
	for i := int64(1); !own.isClosed() && i < 20; i++ {
		own.r.Deliver(message(i))
	}
	var got []int64
	for n := -1; n != len(got); {
		n = len(got)
		got = append(got, entries(t, slow.fill(99))...)
	}
	want := make([]int64, 19)
	for i := range want {
		want[i] = int64(i + 1)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("the slow reader got %v", got)
	}
	waitFor(t, "it to be back on the tail", own.isClosed)
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
