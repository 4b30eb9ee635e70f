package bridge

import (
	"slices"
	"testing"

	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// A reader reads partitions that are added while it is there, from the first message on, whether the tail has that or not.
func TestPartitionsAreAdded(t *testing.T) {
	for _, published := range []bool{false, true} {
		u := &fakeUpstream{last: emptyEnd, split: 1}
		b := newBridge(t, u, Options{Linger: -1})
		one, two, gone := read(t, b, latest(), ReadOptions{Window: 9}), read(t, b, latest(), ReadOptions{Window: 9}), read(t, b, latest(), ReadOptions{Window: 9})
		b.mu.Lock()
		known := b.split[splitKey{topic: topic}]
		b.mu.Unlock()
		known.search(b) // and there is nothing new
		if got := openReaders(u); !slices.Equal(got, partitionNames(1)) {
			t.Fatalf("reads %v", got)
		}
		gone.s.Close()
		u.mu.Lock()
		u.split = 3
		if published {
			u.last = codec.MessageID{LedgerID: 1, EntryID: 7, Partition: -1, BatchIndex: -1}
		}
		u.mu.Unlock()
		known.search(b)
		// Who has all that was published reads on at the tail, which has the rest.
		want := []int64{0, 1}
		for partition := 1; partition < 3; partition++ {
			var up *fakeConsumer
			waitFor(t, "permits", func() bool {
				u.mu.Lock()
				defer u.mu.Unlock()
				for _, r := range u.readers {
					if r.reader.Topic == names.PartitionName(topic, partition) && (r.reader.Start == StartEarliest) == published && r.allowed() > 1 {
						up = r
					}
				}
				return up != nil
			})
			up.deliver(t, 0)
			up.deliver(t, 1)
		}
		want = append(want, want...)
		slices.Sort(want)
		for _, o := range []*fakeOutlet{one, two} {
			got := entries(t, o.fill(9))
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("published before %t: read %v", published, got)
			}
		}
		known.search(b)
		if n := len(one.s.(*readerSession).all()); n != 3 {
			t.Errorf("%d cursors for 3 partitions", n)
		}
		one.s.Close()
		two.s.Close()
		waitFor(t, "the upstream readers to end", func() bool { return len(openReaders(u)) == 0 })
		b.mu.Lock()
		if len(b.split) > 0 || len(b.tails) > 0 || len(known.members) > 0 {
			t.Errorf("left behind: %v, %v, %v", b.split, b.tails, known.members)
		}
		b.mu.Unlock()
		if known.look.Stop() {
			t.Error("it is looked for partitions that nobody reads")
		}
	}
}

// A session that closes while a partition is added leaves nothing behind there, and a partition that cannot be read is tried again.
func TestPartitionIsAddedInVain(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd, split: 1}
	b := newBridge(t, u, Options{Linger: -1})
	o := read(t, b, latest(), ReadOptions{Window: 9})
	s := o.s.(*readerSession)
	u.mu.Lock()
	u.split, u.openErr = 2, ErrUnavailable
	u.mu.Unlock()
	b.mu.Lock()
	known := b.split[splitKey{topic: topic}]
	b.mu.Unlock()
	known.search(b)
	if n := len(s.all()); n != 1 {
		t.Errorf("%d cursors", n)
	}
	u.mu.Lock()
	u.openErr = nil
	u.mu.Unlock()
	known.search(b)
	if n := len(s.all()); n != 2 {
		t.Errorf("%d cursors", n)
	}
	o.s.Close()
	if err := s.grow(t.Context(), topic, 3); err != nil {
		t.Error(err)
	}
	waitFor(t, "the upstream readers to end", func() bool { return len(openReaders(u)) == 0 })
}
