package pulsar

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// groupInbox is a GroupHandler that keeps what it is told, by topic.
type groupInbox struct {
	opened, ended chan error
	permits       Permits

	mu  sync.Mutex // guards got
	got map[string][]string
}

func newGroupInbox() *groupInbox {
	b := &groupInbox{opened: make(chan error, 1), ended: make(chan error, 1), got: map[string][]string{}}
	b.permits.Permit(1 << 30)
	return b
}

func (b *groupInbox) Opened(_ *Group, err error) { b.opened <- err }
func (b *groupInbox) Ended(_ *Group, err error)  { b.ended <- err }
func (b *groupInbox) Tell(*Consumer, Event)      {}

func (b *groupInbox) Deliver(x *Consumer, m *Received) {
	x.Ack(m.ID) // first: who sees a message here knows that it is acknowledged
	b.mu.Lock()
	b.got[x.Topic()] = append(b.got[x.Topic()], fmt.Sprint(string(m.Payload), " ", m.ID.Partition))
	b.mu.Unlock()
}

func (b *groupInbox) on(topic string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got[topic])
}

// TestGroup consumes a list of topics with partitions, and partitions that are added later, from their first message on.
func TestGroup(t *testing.T) {
	b := fakebroker.Start(t)
	var partitions atomic.Int32
	partitions.Store(2)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if m, ok := cmd.(*wire.PartitionedMetadata); ok && m.Topic == topic {
			c.Send(&wire.PartitionedMetadataResponse{RequestID: m.RequestID, Partitions: uint32(partitions.Load())})
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newGroupInbox()
	g := c.OpenGroup(Selection{Topics: []string{topic, topic + "-other"}, Max: 4}, "s", &ConsumerOptions{Type: wire.Shared}, &in.permits, in)
	if err := receive(t, "the group", in.opened); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{topic + "-other", topic + "-partition-0", topic + "-partition-1"} {
		publishText(b, name, "x")
		want := fmt.Sprint("x ", i-1)
		eventually(t, "a message", func() bool { return slices.Equal(in.on(name), []string{want}) })
		if g.Consumer(name).Topic() != name {
			t.Error(name)
		}
	}
	partitions.Store(4)
	publishText(b, topic+"-partition-2", "before it is found")
	g.Search() // as once a minute
	eventually(t, "a message", func() bool { return len(in.on(topic+"-partition-2")) == 1 })
	if n := len(g.Consumers()); n != 4 {
		t.Errorf("%d consumers, where 4 are allowed", n)
	}
	closed := make(chan struct{})
	g.Close(func() { close(closed) })
	receive(t, "the end", closed)
	if n := len(b.Subscribers(topic+"-other", "s")); n != 0 {
		t.Errorf("%d are left", n)
	}
	in = newGroupInbox()
	c.OpenGroup(Selection{Topics: []string{topic}, Max: 3}, "s", &ConsumerOptions{Type: wire.Shared}, &in.permits, in)
	if err := receive(t, "an answer", in.opened); !errors.Is(err, ErrTooManyTopics) {
		t.Error(err)
	}
}

// TestGroupByPattern consumes what matches, also what is found later, leaves what is deleted, and is refused as a whole when a topic is refused.
func TestGroupByPattern(t *testing.T) {
	b := fakebroker.Start(t)
	const ns = "persistent://a/b/"
	b.Topics = []string{ns + "yes", ns + "no", ns + "yes-too-partition-0", ns + "yes-gone"}
	var mu sync.Mutex // guards refused and b.Topics
	refused := map[string]wire.ServerError{ns + "yes-gone": wire.TopicNotFound}
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		mu.Lock()
		defer mu.Unlock()
		switch cmd := cmd.(type) {
		case *wire.Subscribe:
			if code, ok := refused[cmd.Topic]; ok {
				c.Send(&wire.Error{RequestID: cmd.RequestID, Error: code})
				return fakebroker.Ignore
			}
		case *wire.GetTopics:
			c.Send(&wire.GetTopicsResponse{RequestID: cmd.RequestID, Topics: b.Topics})
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	sel := Selection{Namespace: "a/b", Match: func(topic string) bool {
		return strings.HasPrefix(topic, ns+"yes") && !strings.Contains(topic, "partition")
	}}
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newGroupInbox()
	g := c.OpenGroup(sel, "s", &ConsumerOptions{Type: wire.Shared}, &in.permits, in)
	if err := receive(t, "the group", in.opened); err != nil {
		t.Fatal(err)
	}
	if n := len(g.Consumers()); n != 2 {
		t.Errorf("%d consumers", n)
	}
	publishText(b, ns+"yes-too-partition-0", "x")
	eventually(t, "a message", func() bool { return slices.Equal(in.on(ns+"yes-too-partition-0"), []string{"x 0"}) })
	mu.Lock()
	b.Topics = append(b.Topics, ns+"yes-new")
	refused[ns+"yes"] = wire.TopicNotFound
	mu.Unlock()
	publishText(b, ns+"yes-new", "y")
	g.Search()
	eventually(t, "a message", func() bool { return len(in.on(ns+"yes-new")) == 1 })
	b.CloseConsumers(ns+"yes", "")
	eventually(t, "one less", func() bool { return g.Consumer(ns+"yes") == nil })
	if len(in.ended) > 0 {
		t.Error("the group has ended")
	}
	if len(g.bases) > 0 {
		t.Errorf("%d topics are kept that may be gone", len(g.bases))
	}
	in = newGroupInbox()
	mu.Lock()
	refused[ns+"yes"] = wire.AuthorizationError
	mu.Unlock()
	c.OpenGroup(sel, "s2", &ConsumerOptions{Type: wire.Shared}, &in.permits, in)
	var e *Error
	if err := receive(t, "an answer", in.opened); !errors.As(err, &e) || e.Code != wire.AuthorizationError {
		t.Error(err)
	}
	eventually(t, "no consumer of what was refused", func() bool { return len(b.Subscribers(ns+"yes-new", "s2")) == 0 })
}

// TestGroupEnds ends with one of its topics that were named.
func TestGroupEnds(t *testing.T) {
	b := fakebroker.Start(t)
	var deleted atomic.Bool
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if s, ok := cmd.(*wire.Subscribe); ok && deleted.Load() && s.Topic == topic {
			c.Send(&wire.Error{RequestID: s.RequestID, Error: wire.TopicNotFound})
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newGroupInbox()
	c.OpenGroup(Selection{Topics: []string{topic, topic + "2"}}, "s", &ConsumerOptions{Type: wire.Shared}, &in.permits, in)
	if err := receive(t, "the group", in.opened); err != nil {
		t.Fatal(err)
	}
	deleted.Store(true)
	b.CloseConsumers(topic, "")
	var e *Error
	if err := receive(t, "the end", in.ended); !errors.As(err, &e) || e.Code != wire.TopicNotFound {
		t.Error(err)
	}
	eventually(t, "the end of the other", func() bool { return len(b.Subscribers(topic+"2", "s")) == 0 })
	c.Close()
	in = newGroupInbox()
	c.OpenGroup(Selection{Topics: []string{topic}}, "s", &ConsumerOptions{Type: wire.Shared}, &in.permits, in)
	if err := receive(t, "an answer", in.opened); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
