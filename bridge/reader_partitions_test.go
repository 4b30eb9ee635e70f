package bridge

import (
	"errors"
	"slices"
	"testing"

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

func TestReaderOfPartitionsAtAPosition(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd, split: 2}
	b := newBridge(t, u, Options{Linger: -1})
	spec := ReaderSpec{Topic: topic, Start: StartAtPosition, Position: codec.MessageID{LedgerID: 1}}
	opened := make(chan error, 1)
	b.Read(spec, ReadOptions{Window: 1}, &fakeOutlet{}, func(_ Session, err error) { opened <- err })
	if err := <-opened; !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v", err)
	}
	waitFor(t, "the upstream reader to end", func() bool { return len(openReaders(u)) == 0 })
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
