package read

import (
	"slices"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	names "github.com/pulsegate/pulsegate/topic"
)

// openReaders are the topics of the upstream readers that are open, in order.
func openReaders(u *bridgetest.Upstream) []string {
	u.Mu.Lock()
	defer u.Mu.Unlock()
	var topics []string
	for _, r := range u.Readers {
		if !r.IsClosed() {
			topics = append(topics, r.ReaderSpec.Topic)
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
	u := &bridgetest.Upstream{Last: emptyEnd, Split: 2}
	rs := newReaders(t, u, options{Linger: -1})
	one, two := read(t, rs, latest(), bridge.ReadOptions{Window: 9}), read(t, rs, latest(), bridge.ReadOptions{Window: 9})
	waitFor(t, "an upstream reader for each partition", func() bool { return slices.Equal(openReaders(u), partitionNames(2)) })
	for i, entry := range []int64{0, 10, 1, 11} {
		var up *bridgetest.Consumer
		waitFor(t, "permits", func() bool {
			u.Mu.Lock()
			defer u.Mu.Unlock()
			for _, r := range u.Readers {
				if r.ReaderSpec.Topic == partitionNames(2)[i%2] && r.Allowed() > 0 {
					up = r
				}
			}
			return up != nil
		})
		up.Deliver(t, entry)
	}
	for _, o := range []*bridgetest.Outlet{one, two} {
		got := entries(t, o.Fill(9))
		if slices.Sort(got); !slices.Equal(got, []int64{0, 1, 10, 11}) {
			t.Fatalf("read %v", got)
		}
	}
	if one.Frames[0] != two.Frames[0] {
		t.Error("a message was encoded twice")
	}

	u.Mu.Lock()
	u.Split = 3
	u.Mu.Unlock()
	three := read(t, rs, latest(), bridge.ReadOptions{Window: 9})
	if got := openReaders(u); !slices.Equal(got, partitionNames(3)) {
		t.Errorf("a reader that comes after a partition was added reads %v", got)
	}
	for _, o := range []*bridgetest.Outlet{one, two, three} {
		o.Session.Close()
	}
	waitFor(t, "the upstream readers to end", func() bool { return len(openReaders(u)) == 0 })
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if len(rs.split) > 0 || len(rs.tails) > 0 {
		t.Errorf("left behind: %v, %v", rs.split, rs.tails)
	}
}

// A session may ask for the end of its topic while the catch-up it fell back to
// turns out not to open.
func TestEndOfTopicWithoutACatchUp(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd}
	rs := newReaders(t, u, options{})
	s := read(t, rs, latest(), bridge.ReadOptions{Window: 1}).Session.(*session)
	refused := &stream{readers: rs, opened: make(chan struct{}), err: bridge.ErrUnavailable}
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
