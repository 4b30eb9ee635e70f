package read

import (
	"slices"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// A reader reads partitions that are added while it is there, from the first message on, whether the tail has that or not.
func TestPartitionsAreAdded(t *testing.T) {
	for _, published := range []bool{false, true} {
		u := &bridgetest.Upstream{Last: emptyEnd, Split: 1}
		rs := newReaders(t, u, options{Linger: -1})
		one, two, gone := read(t, rs, latest(), bridge.ReadOptions{Window: 9}), read(t, rs, latest(), bridge.ReadOptions{Window: 9}), read(t, rs, latest(), bridge.ReadOptions{Window: 9})
		rs.mu.Lock()
		known := rs.split[splitKey{topic: topic}]
		rs.mu.Unlock()
		known.search(rs) // and there is nothing new
		if got := openReaders(u); !slices.Equal(got, partitionNames(1)) {
			t.Fatalf("reads %v", got)
		}
		gone.Session.Close()
		u.Mu.Lock()
		u.Split = 3
		if published {
			u.Last = codec.MessageID{LedgerID: 1, EntryID: 7, Partition: -1, BatchIndex: -1}
		}
		u.Mu.Unlock()
		known.search(rs)
		// Who has all that was published reads on at the tail, which has the rest.
		want := []int64{0, 1}
		for partition := 1; partition < 3; partition++ {
			var up *bridgetest.Consumer
			waitFor(t, "permits", func() bool {
				u.Mu.Lock()
				defer u.Mu.Unlock()
				for _, r := range u.Readers {
					if r.ReaderSpec.Topic == names.PartitionName(topic, partition) && (r.ReaderSpec.Start == bridge.StartEarliest) == published && r.Allowed() > 1 {
						up = r
					}
				}
				return up != nil
			})
			up.Deliver(t, 0)
			up.Deliver(t, 1)
		}
		want = append(want, want...)
		slices.Sort(want)
		for _, o := range []*bridgetest.Outlet{one, two} {
			got := entries(t, o.Fill(9))
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("published before %t: read %v", published, got)
			}
		}
		known.search(rs)
		if n := len(one.Session.(*session).all()); n != 3 {
			t.Errorf("%d cursors for 3 partitions", n)
		}
		one.Session.Close()
		two.Session.Close()
		waitFor(t, "the upstream readers to end", func() bool { return len(openReaders(u)) == 0 })
		rs.mu.Lock()
		if len(rs.split) > 0 || len(rs.tails) > 0 || len(known.members) > 0 {
			t.Errorf("left behind: %v, %v, %v", rs.split, rs.tails, known.members)
		}
		rs.mu.Unlock()
		if known.look.Stop() {
			t.Error("it is looked for partitions that nobody reads")
		}
	}
}

// A session that closes while a partition is added leaves nothing behind there, and a partition that cannot be read is tried again.
func TestPartitionIsAddedInVain(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd, Split: 1}
	rs := newReaders(t, u, options{Linger: -1})
	o := read(t, rs, latest(), bridge.ReadOptions{Window: 9})
	s := o.Session.(*session)
	u.Mu.Lock()
	u.Split, u.OpenErr = 2, bridge.ErrUnavailable
	u.Mu.Unlock()
	rs.mu.Lock()
	known := rs.split[splitKey{topic: topic}]
	rs.mu.Unlock()
	known.search(rs)
	if n := len(s.all()); n != 1 {
		t.Errorf("%d cursors", n)
	}
	u.Mu.Lock()
	u.OpenErr = nil
	u.Mu.Unlock()
	known.search(rs)
	if n := len(s.all()); n != 2 {
		t.Errorf("%d cursors", n)
	}
	o.Session.Close()
	if err := s.grow(t.Context(), topic, 3); err != nil {
		t.Error(err)
	}
	waitFor(t, "the upstream readers to end", func() bool { return len(openReaders(u)) == 0 })
}
