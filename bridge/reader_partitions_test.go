package bridge

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// openReaders are the topics of the upstream readers that are open, in order.
func openReaders(u *fakeUpstream) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var topics []string
	for _, r := range u.readers {
		if !r.isClosed() {
			topics = append(topics, r.reader.Topic)
		}
	}
	slices.Sort(topics)
	return topics
}

func partitionNames(n int) (topics []string) {
	for i := range n {
		topics = append(topics, names.PartitionName(topic, i))
	}
	return topics
}

func TestReadersOfPartitionsShareTails(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd, split: 2}
	b := newBridge(t, u, Options{Linger: -1})
	one, two := read(t, b, latest(), ReadOptions{Window: 9}), read(t, b, latest(), ReadOptions{Window: 9})
	waitFor(t, "an upstream reader for each partition", func() bool { return slices.Equal(openReaders(u), partitionNames(2)) })
	for i, entry := range []int64{0, 10, 1, 11} {
		var up *fakeConsumer
		waitFor(t, "permits", func() bool {
			u.mu.Lock()
			defer u.mu.Unlock()
			for _, r := range u.readers {
				if r.reader.Topic == partitionNames(2)[i%2] && r.allowed() > 0 {
					up = r
				}
			}
			return up != nil
		})
		up.deliver(t, entry)
	}
	for _, o := range []*fakeOutlet{one, two} {
		got := entries(t, o.fill(9))
		if slices.Sort(got); !slices.Equal(got, []int64{0, 1, 10, 11}) {
			t.Fatalf("read %v", got)
		}
	}
	if one.frames[0] != two.frames[0] {
		t.Error("a message was encoded twice")
	}

	u.mu.Lock()
	u.split = 3
	u.mu.Unlock()
	three := read(t, b, latest(), ReadOptions{Window: 9})
	if got := openReaders(u); !slices.Equal(got, partitionNames(3)) {
		t.Errorf("a reader that comes after a partition was added reads %v", got)
	}
	for _, o := range []*fakeOutlet{one, two, three} {
		o.s.Close()
	}
	waitFor(t, "the upstream readers to end", func() bool { return len(openReaders(u)) == 0 })
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.split) > 0 || len(b.tails) > 0 {
		t.Errorf("left behind: %v, %v", b.split, b.tails)
	}
}

// atID is a reader at the message of an entry in a partition.
func atID(partition int32, entry int64) ReaderSpec {
	return ReaderSpec{Topic: topic, Start: StartAtPosition, Position: codec.MessageID{LedgerID: 1, EntryID: entry, Partition: partition, BatchIndex: -1}}
}

func TestReaderAtAnIDOfNoPartition(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd, split: 2}
	b := newBridge(t, u, Options{Linger: -1})
	for _, partition := range []int32{-1, 2} {
		opened := make(chan error, 1)
		b.Read(atID(partition, 0), ReadOptions{Window: 1}, &fakeOutlet{}, func(_ Session, err error) { opened <- err })
		if err := <-opened; !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "no partition") {
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
func (u *fakeUpstream) opened(t *testing.T, partition int, start StartKind, inclusive bool) (found *fakeConsumer) {
	t.Helper()
	waitFor(t, "an upstream reader", func() bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		for _, r := range u.readers {
			if r.reader.Topic == partitionNames(partition + 1)[partition] && r.reader.Start == start && r.reader.Inclusive == inclusive && r.allowed() > 0 {
				found = r
			}
		}
		return found != nil
	})
	return found
}

// A reader at an id begins behind it in its partition, and in the others when that message was published.
func TestReaderOfPartitionsAtAnID(t *testing.T) {
	u := &fakeUpstream{last: message(9).ID, split: 3}
	b := newBridge(t, u, Options{Linger: -1})
	o := &fakeOutlet{}
	opened := make(chan error, 1)
	b.Read(atID(1, 5), ReadOptions{Window: 9}, o, func(s Session, err error) { o.s = s; opened <- err })
	look := u.opened(t, 1, StartAtPosition, true)
	if look.reader.Position.EntryID != 5 || look.reader.CryptoFailure != CryptoConsume {
		t.Errorf("it looks at %+v", look.reader)
	}
	look.r.Deliver(published(5, at5))
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	if !look.isClosed() {
		t.Error("who looked for the time is still there")
	}
	if r := u.opened(t, 1, StartAtPosition, false); r.reader.Position.EntryID != 5 {
		t.Errorf("in the id's partition: %+v", r.reader)
	}
	for _, partition := range []int{0, 2} {
		if r := u.opened(t, partition, StartAtTime, false); r.reader.Since != at5.UnixMilli() {
			t.Errorf("in partition %d: %+v", partition, r.reader)
		}
	}
	o.s.Close()
	waitFor(t, "the upstream readers to end", func() bool { return len(openReaders(u)) == 0 })
}

// Without the message of the id, and any behind it, there is no time to begin at: nothing is left out.
func TestReaderOfPartitionsAtAnIDThatIsGone(t *testing.T) {
	u := &fakeUpstream{last: message(4).ID, split: 2}
	b := newBridge(t, u, Options{Linger: -1})
	s := read(t, b, atID(1, 5), ReadOptions{Window: 9})
	u.opened(t, 1, StartAtPosition, false)
	u.opened(t, 0, StartEarliest, false)
	s.s.Close()
}

// Who comes back while the tails are there needs no other upstream reader: what was published since is in their rings.
func TestReaderAtAnIDInTheRing(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd, split: 2}
	b := newBridge(t, u, Options{Linger: -1})
	first := read(t, b, latest(), ReadOptions{Window: 9})
	zero, one := u.opened(t, 0, StartLatest, false), u.opened(t, 1, StartLatest, false)
	one.r.Deliver(published(5, at5))
	one.r.Deliver(published(6, at5.Add(time.Second)))
	for i := range 4 { // one before, two at the same time, one later
		zero.r.Deliver(published(int64(10+i), at5.Add(time.Duration(i-1)/2*time.Second)))
	}
	zero.r.Deliver(published(20, at5.Add(-time.Second))) // of a clock that is late
	second := read(t, b, atID(1, 5), ReadOptions{Window: 9})
	got := entries(t, second.fill(9))
	if slices.Sort(got); !slices.Equal(got, []int64{6, 10, 11, 12, 13, 20}) {
		t.Errorf("read %v", got)
	}
	if n := len(openReaders(u)); n != 2 {
		t.Errorf("%d upstream readers for two partitions", n)
	}
	first.s.Close()
	second.s.Close()
}

// A session may ask for the end of its topic while the catch-up it fell back to
// turns out not to open.
func TestEndOfTopicWithoutACatchUp(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd}
	b := newBridge(t, u, Options{})
	s := read(t, b, latest(), ReadOptions{Window: 1}).s.(*readerSession)
	refused := &stream{b: b, opened: make(chan struct{}), err: ErrUnavailable}
	close(refused.opened)
	s.mu.Lock()
	before := s.first.spot
	s.first.spot = spot{in: refused}
	s.mu.Unlock()
	if s.endOfTopic() {
		t.Error("there is something left to read")
	}
	s.mu.Lock()
	s.first.spot = before
	s.mu.Unlock()
}
