package read

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/codec/ws"
)

// atID is a reader at the message of an entry in a partition.
func atID(partition int32, entry int64) bridge.ReaderSpec {
	return bridge.ReaderSpec{Topic: topic, Start: bridge.StartAtPosition, Position: codec.MessageID{LedgerID: 1, EntryID: entry, Partition: partition, BatchIndex: -1}}
}

func TestReaderAtAnIDOfNoPartition(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd, Split: 2}
	rs := newReaders(t, u, options{Linger: -1})
	for _, partition := range []int32{-1, 2} {
		opened := make(chan error, 1)
		rs.Attach(atID(partition, 0), bridge.ReadOptions{Window: 1}, &bridgetest.Outlet{}, func(_ bridge.Session, err error) { opened <- err })
		if err := <-opened; !errors.Is(err, bridge.ErrInvalid) || !strings.Contains(err.Error(), "no partition") {
			t.Errorf("partition %d: got %v", partition, err)
		}
		waitFor(t, "the upstream reader to end", func() bool { return len(openReaders(u)) == 0 })
	}
}

// at5 is when the message of the entry 5 was published.
var at5 = time.UnixMilli(1234567).UTC()

func published(entry int64, at time.Time) *codec.Message {
	m := message(entry)
	m.PublishTime = at
	return m
}

// opened waits for an upstream reader with a start on a partition.
func openedAt(t *testing.T, u *bridgetest.Upstream, partition int, start bridge.StartKind, inclusive bool) (found *bridgetest.Consumer) {
	t.Helper()
	waitFor(t, "an upstream reader", func() bool {
		u.Mu.Lock()
		defer u.Mu.Unlock()
		for _, r := range u.Readers {
			if r.ReaderSpec.Topic == partitionNames(partition + 1)[partition] && r.ReaderSpec.Start == start && r.ReaderSpec.Inclusive == inclusive && r.Allowed() > 0 {
				found = r
			}
		}
		return found != nil
	})
	return found
}

// lookedAt waits for a look-up of an entry of a partition that is not answered.
func lookedAt(t *testing.T, u *bridgetest.Upstream, partition int, entry int64) (found *bridgetest.Consumer) {
	t.Helper()
	waitFor(t, "a look-up", func() bool {
		u.Mu.Lock()
		defer u.Mu.Unlock()
		found = nil
		for _, r := range u.Readers {
			if s := &r.ReaderSpec; s.Topic == partitionNames(partition + 1)[partition] && s.Chunks && s.Position.EntryID == entry && r.Allowed() > 0 && !r.IsClosed() {
				found = r
			}
		}
		return found != nil
	})
	if s := &found.ReaderSpec; s.Start != bridge.StartAtPosition || !s.Inclusive || s.CryptoFailure != bridge.CryptoConsume {
		t.Errorf("it looks at %+v", s)
	}
	return found
}

// attach begins a session without waiting for it.
func attach(rs *Readers, spec bridge.ReaderSpec) (o *bridgetest.Outlet, opened chan error) {
	o, opened = &bridgetest.Outlet{}, make(chan error, 1)
	rs.Attach(spec, bridge.ReadOptions{Window: 9}, o, func(s bridge.Session, err error) { o.Session = s; opened <- err })
	return o, opened
}

func succeeds(t *testing.T, opened chan error) {
	t.Helper()
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
}

// A reader at an id begins behind it in its partition, and in the others when that message was published.
func TestReaderOfPartitionsAtAnID(t *testing.T) {
	u := &bridgetest.Upstream{Last: message(9).ID, Split: 3}
	rs := newReaders(t, u, options{Linger: -1})
	o, opened := attach(rs, atID(1, 5))
	look := lookedAt(t, u, 1, 5)
	for range 3 { // nothing may block that delivers
		look.Receiver.Deliver(published(5, at5))
	}
	for range 3 {
		look.Receiver.Lost(bridge.ErrUnavailable)
	}
	for _, partition := range []int{0, 2} { // their last messages are too young to say that nothing is missed
		lookedAt(t, u, partition, 9).Receiver.Deliver(published(9, at5.Add(-clockSlack)))
	}
	succeeds(t, opened)
	if !look.IsClosed() {
		t.Error("who looked for the time is still there")
	}
	if r := openedAt(t, u, 1, bridge.StartAtPosition, false); r.ReaderSpec.Position.EntryID != 5 {
		t.Errorf("in the id's partition: %+v", r.ReaderSpec)
	}
	for _, partition := range []int{0, 2} {
		if r := openedAt(t, u, partition, bridge.StartAtTime, false); r.ReaderSpec.Since != at5.UnixMilli() {
			t.Errorf("in partition %d: %+v", partition, r.ReaderSpec)
		}
	}
	u.Mu.Lock()
	tails := map[string]int{}
	for _, r := range u.Readers {
		if r.ReaderSpec.Start == bridge.StartLatest {
			tails[r.ReaderSpec.Topic]++
		}
	}
	u.Mu.Unlock()
	if n := tails[partitionNames(2)[1]]; n != 1 {
		t.Errorf("the tail of the id's partition was opened %d times", n)
	}
	o.Session.Close()
	waitFor(t, "the upstream readers to end", func() bool { return len(openReaders(u)) == 0 })
}

// Readers come back after a restart, where partitions are quiet: what was published last there is older than what they have read, so the tails
// are enough.
func TestReadersAtIDsOfQuietPartitions(t *testing.T) {
	const partitions = 3
	u := &bridgetest.Upstream{Last: message(9).ID, Split: partitions}
	rs := newReaders(t, u, options{Linger: -1})
	var sessions []*bridgetest.Outlet
	for i := range 2 {
		// All of partition 1 was read. The second one asks for no times but that of its id.
		o, opened := attach(rs, atID(1, 9+int64(i)))
		if i == 0 {
			lookedAt(t, u, 1, 9).Receiver.Deliver(published(9, at5))
			for _, partition := range []int{0, 2} {
				lookedAt(t, u, partition, 9).Receiver.Deliver(published(9, at5.Add(-time.Minute)))
			}
		}
		succeeds(t, opened)
		if i == 0 {
			one := openedAt(t, u, 1, bridge.StartLatest, false)
			one.Receiver.Deliver(published(10, at5.Add(time.Second)))
			u.Mu.Lock()
			u.Last = message(10).ID
			u.Mu.Unlock()
		}
		sessions = append(sessions, o)
	}
	if got := openReaders(u); !slices.Equal(got, partitionNames(partitions)) {
		t.Errorf("upstream readers: %v", got)
	}
	openedAt(t, u, 0, bridge.StartLatest, false).Receiver.Deliver(published(20, at5.Add(time.Minute)))
	for i, want := range [][]int64{{10, 20}, {20}} {
		got := entries(t, sessions[i].Fill(9))
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("reader %d got %v, want %v", i, got, want)
		}
		sessions[i].Session.Close()
	}
}

// Where the last message of a partition cannot be had, a reader begins without it.
func TestReaderAtAnIDWithoutTheTimeOfAnOrigin(t *testing.T) {
	u := &bridgetest.Upstream{Last: message(9).ID, Split: 2}
	rs := newReaders(t, u, options{Linger: -1})
	for i := range 2 {
		o, opened := attach(rs, atID(1, 5))
		lookedAt(t, u, 1, 5).Receiver.Deliver(published(5, at5))
		if i == 0 {
			lookedAt(t, u, 0, 9).Receiver.Lost(bridge.ErrUnavailable)
		}
		succeeds(t, opened) // the second does not ask again
		defer o.Session.Close()
	}
	openedAt(t, u, 0, bridge.StartAtTime, false)
	u.Mu.Lock()
	defer u.Mu.Unlock()
	asked := 0
	for _, r := range u.Readers {
		if r.ReaderSpec.Chunks && r.ReaderSpec.Position.EntryID == 9 {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// However many partitions keep a reader waiting for what they begin behind, it is opened in time.
func TestReaderAtAnIDWithoutTheTimesOfManyOrigins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &bridgetest.Upstream{Last: message(9).ID, Split: 20}
		rs := newReaders(t, u, options{Linger: -1})
		for range 2 {
			o, opened := attach(rs, atID(1, 5))
			lookedAt(t, u, 1, 5).Receiver.Deliver(published(5, at5))
			succeeds(t, opened)
			for i := range 20 {
				if i != 1 {
					openedAt(t, u, i, bridge.StartAtTime, false)
				}
			}
			o.Session.Close()
		}
	})
}

// What a broker does not hand over in time is not gone: the client is to come again.
func TestReaderAtAnIDThatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &bridgetest.Upstream{Last: message(9).ID, Split: 2}
		rs := newReaders(t, u, options{Linger: -1})
		_, opened := attach(rs, atID(1, 5))
		if err := <-opened; !errors.Is(err, bridge.ErrTimeout) || !strings.Contains(err.Error(), "published") {
			t.Errorf("got %v", err)
		}
		waitFor(t, "the upstream readers to end", func() bool { return len(openReaders(u)) == 0 })
	})
}

// Look-ups of one position share an upstream reader, and those of others are bounded.
func TestLookUpsAreSharedAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &bridgetest.Upstream{Last: message(99).ID, Split: 2}
		rs := newReaders(t, u, options{Linger: -1})
		for i := range 3 * maxLookUps {
			attach(rs, atID(1, int64(i/2)))
		}
		for round := range 3 {
			synctest.Wait() // all that can begin has begun
			looks := map[int64]*bridgetest.Consumer{}
			u.Mu.Lock()
			for _, r := range u.Readers {
				if s := &r.ReaderSpec; s.Chunks && s.Topic == partitionNames(2)[1] && !r.IsClosed() {
					if looks[s.Position.EntryID] != nil {
						t.Errorf("two look-ups of entry %d", s.Position.EntryID)
					}
					looks[s.Position.EntryID] = r
				}
			}
			u.Mu.Unlock()
			if len(looks) != maxLookUps {
				t.Fatalf("round %d: %d look-ups at the same time", round, len(looks))
			}
			for entry, look := range looks { // another begins in the place of this one
				look.Receiver.Deliver(published(entry, at5))
				break
			}
		}
	})
}

// Who waited for room while a look-up of its position began joins that, and gives the room back.
func TestALookUpIsJoined(t *testing.T) {
	u := &bridgetest.Upstream{Last: message(9).ID}
	rs := newReaders(t, u, options{Linger: -1})
	tl := rs.tailFor(tailKey{topic: partitionNames(1)[0]})
	defer tl.release()
	var both [2]*answer[int64]
	l := tl.looks()
	for i := range both {
		l.slots <- struct{}{}
		both[i] = tl.begun(l, message(5).ID)
	}
	if both[0] != both[1] || len(l.slots) != 1 {
		t.Errorf("%d look-ups are under way", len(l.slots))
	}
	lookedAt(t, u, 0, 5).Receiver.Deliver(published(5, at5))
	<-both[0].done
	if at, err := both[0].value, both[0].err; at != at5.UnixMilli() || err != nil {
		t.Errorf("got %d, %v", at, err)
	}
}

// A look-up that waits for its message is no creation under way.
func TestALookUpTakesNoSlot(t *testing.T) {
	u := &bridgetest.Upstream{Last: message(9).ID, Split: 2}
	rs := newReaders(t, u, options{Linger: -1, OpenConcurrency: 1})
	o, opened := attach(rs, atID(1, 5))
	look := lookedAt(t, u, 1, 5)
	release, err := rs.pool.Slot(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	release()
	look.Receiver.Deliver(published(5, at5))
	lookedAt(t, u, 0, 9).Receiver.Deliver(published(9, at5))
	succeeds(t, opened)
	o.Session.Close()
}

// Where a producer's clock is fast, the others begin now.
func TestReaderAtAnIDOfTheFuture(t *testing.T) {
	u := &bridgetest.Upstream{Last: message(9).ID, Split: 2}
	rs := newReaders(t, u, options{Linger: -1})
	o, opened := attach(rs, atID(1, 5))
	lookedAt(t, u, 1, 5).Receiver.Deliver(published(5, time.Now().Add(time.Hour)))
	lookedAt(t, u, 0, 9).Receiver.Deliver(published(9, time.Now()))
	succeeds(t, opened)
	if r := openedAt(t, u, 0, bridge.StartAtTime, false); r.ReaderSpec.Since > time.Now().UnixMilli() {
		t.Errorf("it begins %d ms from now", r.ReaderSpec.Since-time.Now().UnixMilli())
	}
	o.Session.Close()
}

// An id may be of a partition that has just been added.
func TestReaderAtAnIDOfANewPartition(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd, Split: 2}
	rs := newReaders(t, u, options{Linger: -1})
	first := read(t, rs, latest(), bridge.ReadOptions{Window: 9})
	u.Mu.Lock()
	u.Split = 3
	u.Mu.Unlock()
	second := read(t, rs, atID(2, 5), bridge.ReadOptions{Window: 9})
	first.Session.Close()
	second.Session.Close()
}

// Times need not grow, and what has fallen out of the ring may be younger than what has not.
func TestSeekTime(t *testing.T) {
	slack := clockSlack.Milliseconds()
	at := func(times ...int64) (r ring) {
		for i, ms := range times {
			r.push(frame{id: message(int64(i)).ID, ws: ws.BuildFrame(func(b []byte) []byte { return b }), published: ms})
		}
		return r
	}
	fallen := func(r ring) ring { r.first = 100; return r }
	for name, c := range map[string]struct {
		ring     ring
		origin   int64 // entry
		originAt int64
		since    int64
		want     int64 // index of the frame; -1: none
	}{
		"all there is":            {at(5, 50_000, 6, 60_000), -1, 0, 40_000, 1},
		"without a time":          {at(5, 0, 60_000), -1, 0, 40_000, 1},
		"nothing yet":             {at(), -1, 0, 40_000, 0},
		"an origin not known":     {at(), 9, 0, 40_000, -1},
		"an old origin":           {at(50_000), 9, 40_000 - slack - 1, 40_000, 0},
		"an origin too young":     {at(50_000), 9, 40_000 - slack, 40_000, -1},
		"fallen out, old":         {fallen(at(40_000-slack-1, 7, 50_000, 41_000)), 9, 1, 40_000, 2},
		"fallen out, too young":   {fallen(at(40_000-slack, 50_000, 60_000)), 9, 1, 40_000, -1},
		"fallen out, not known":   {fallen(at(0, 50_000, 60_000)), -1, 0, 40_000, -1},
		"fallen out, nothing new": {fallen(at(1, 2, 3)), 9, 1, 40_000, 3},
	} {
		tl := &tail{origin: message(c.origin).ID, originAt: c.originAt}
		tl.ring = c.ring
		var s spot
		if ok := tl.seekTime(&s, c.since); ok != (c.want >= 0) || ok && s.next != c.ring.first+uint64(c.want) {
			t.Errorf("%s: %t, at %d", name, ok, s.next-c.ring.first)
		}
	}
}

// Without the message of the id, and any behind it, there is no time to begin at: nothing is left out.
func TestReaderOfPartitionsAtAnIDThatIsGone(t *testing.T) {
	u := &bridgetest.Upstream{Last: message(4).ID, Split: 2}
	rs := newReaders(t, u, options{Linger: -1})
	s := read(t, rs, atID(1, 5), bridge.ReadOptions{Window: 9})
	openedAt(t, u, 1, bridge.StartAtPosition, false)
	openedAt(t, u, 0, bridge.StartEarliest, false)
	s.Session.Close()
}

// What of the topic a message was in is left does not tell when it was published: the others may have all that came since.
func TestReaderOfPartitionsAtAnIDThatWasTrimmed(t *testing.T) {
	for name, deliver := range map[string]func(look *bridgetest.Consumer){
		"a later message is left":        func(look *bridgetest.Consumer) { look.Receiver.Deliver(published(7, at5.Add(time.Hour))) },
		"nothing that a reader gets is":  func(look *bridgetest.Consumer) { passed(look, 9) },
		"it is itself nothing, or trash": func(look *bridgetest.Consumer) { passed(look, 5) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := &bridgetest.Upstream{Last: message(9).ID, Split: 2}
				rs := newReaders(t, u, options{Linger: -1})
				o, opened := attach(rs, atID(1, 5))
				look := lookedAt(t, u, 1, 5)
				passed(look, 4) // which says nothing
				time.Sleep(3 * firstPassed)
				if look.IsClosed() {
					t.Error("what is in front of the message has ended the look-up")
				}
				deliver(look)
				succeeds(t, opened)
				if !look.IsClosed() {
					t.Error("who looked for the time is still there")
				}
				if r := openedAt(t, u, 1, bridge.StartAtPosition, false); r.ReaderSpec.Position.EntryID != 5 {
					t.Errorf("in the id's partition: %+v", r.ReaderSpec)
				}
				openedAt(t, u, 0, bridge.StartEarliest, false)
				o.Session.Close()
			})
		})
	}
}

// passed makes the upstream of a reader say that all up to an entry has passed.
func passed(r *bridgetest.Consumer, entry int64) {
	r.Of.Mu.Lock()
	defer r.Of.Mu.Unlock()
	last := message(entry).ID
	r.Of.Gone = last.Position()
}

// passing is an upstream whose readers deliver the entry 5 just before they say that it has passed.
type passing struct{ bridgetest.Upstream }

// OpenReader implements [bridge.Upstream].
func (u *passing) OpenReader(ctx context.Context, spec bridge.ReaderSpec, r bridge.Receiver) (bridge.Reader, error) {
	up, err := u.Upstream.OpenReader(ctx, spec, r)
	return passingReader{up, r}, err
}

type passingReader struct {
	bridge.Reader
	receiver bridge.Receiver
}

// Passed implements [bridge.Reader].
func (r passingReader) Passed(context.Context, codec.Position) (bool, error) {
	r.receiver.Deliver(published(5, at5))
	return true, nil
}

// A message that came before the upstream said that it has passed is not gone.
func TestALookUpOfWhatHasPassed(t *testing.T) {
	rs := newReaders(t, &passing{bridgetest.Upstream{Last: message(9).ID}}, options{Linger: -1})
	tl := rs.tailFor(tailKey{topic: partitionNames(1)[0]})
	defer tl.release()
	if at, err := tl.look(t.Context(), message(5).ID); at != at5.UnixMilli() || err != nil {
		t.Errorf("got %d, %v", at, err)
	}
}

// Who comes back while the tails are there needs no other upstream reader: what was published since is in their rings.
func TestReaderAtAnIDInTheRing(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd, Split: 2}
	rs := newReaders(t, u, options{Linger: -1})
	first := read(t, rs, latest(), bridge.ReadOptions{Window: 9})
	zero, one := openedAt(t, u, 0, bridge.StartLatest, false), openedAt(t, u, 1, bridge.StartLatest, false)
	one.Receiver.Deliver(published(5, at5))
	one.Receiver.Deliver(published(6, at5.Add(time.Second)))
	for i := range 4 { // one before, two at the same time, one later
		zero.Receiver.Deliver(published(int64(10+i), at5.Add(time.Duration(i-1)/2*time.Second)))
	}
	zero.Receiver.Deliver(published(20, at5.Add(-time.Second))) // of a clock that is late
	second := read(t, rs, atID(1, 5), bridge.ReadOptions{Window: 9})
	got := entries(t, second.Fill(9))
	if slices.Sort(got); !slices.Equal(got, []int64{6, 10, 11, 12, 13, 20}) {
		t.Errorf("read %v", got)
	}
	if n := len(openReaders(u)); n != 2 {
		t.Errorf("%d upstream readers for two partitions", n)
	}
	first.Session.Close()
	second.Session.Close()
}
