package pulsar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

const watched = "persistent://a/b/"

// matching is what the tests' groups are on.
var matching = Selection{Namespace: "a/b", Match: func(topic string) bool { return strings.HasPrefix(topic, watched+"yes") }}

// openMatching opens a group on what matches, which has to succeed.
func openMatching(t *testing.T, c *Client, subscription string) (*Group, *groupInbox) {
	t.Helper()
	g, in, err := tryMatching(t, c, subscription)
	if err != nil {
		t.Fatal(err)
	}
	return g, in
}

// openMatchingLate is openMatching for a client whose operations' time may be over before the broker is good.
func openMatchingLate(t *testing.T, c *Client, subscription string) (*Group, *groupInbox) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		g, in, err := tryMatching(t, c, subscription)
		if err == nil {
			return g, in
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

func tryMatching(t *testing.T, c *Client, subscription string) (*Group, *groupInbox, error) {
	t.Helper()
	in := newGroupInbox()
	g := c.OpenGroup(matching, subscription, &ConsumerOptions{Type: wire.Shared}, &in.permits, in)
	return g, in, receive(t, "the group", in.opened)
}

// watchOf is the watch that groups on what matches share; nil: none.
func watchOf(c *Client) *topicWatch {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.watches[watchKey{namespace: matching.Namespace}]
}

func isWatching(c *Client) bool {
	w := watchOf(c)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.connected
}

// TestTopicWatch has groups told by the broker of topics that come and go. They are listed for each group once, and when there is a watcher.
func TestTopicWatch(t *testing.T) {
	b := fakebroker.Start(t)
	b.TopicWatchers = true
	b.Topics = []string{watched + "yes", watched + "no"}
	var lists, watches atomic.Int32
	var deleted atomic.Bool
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.GetTopics:
			lists.Add(1)
		case *wire.WatchTopicList:
			watches.Add(1)
			if cmd.Namespace != "a/b" || cmd.TopicsPattern != ".*" || cmd.TopicsHash != "" {
				t.Errorf("%+v", cmd)
			}
		case *wire.Subscribe:
			if !cmd.NoTopicCreation || cmd.InitialPosition != wire.Earliest && cmd.Topic != watched+"yes" {
				t.Errorf("%+v", cmd)
			}
			if deleted.Load() {
				c.Send(&wire.Error{RequestID: cmd.RequestID, Error: wire.ServiceNotReady})
				return fakebroker.Ignore
			}
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	g, in := openMatching(t, c, "s")
	g2, in2 := openMatching(t, c, "s2")
	eventually(t, "the watcher", func() bool { return isWatching(c) })
	for _, name := range []string{"not", "yes-new", "yes-parted-partition-0"} { // in this order they are told of
		publishText(b, watched+name, "x")
		b.CreateTopic(watched + name)
	}
	three := func(g *Group) bool {
		list := g.Consumers()
		return len(list) == 3 && !slices.ContainsFunc(list, func(x *Consumer) bool { return !x.Connected() })
	}
	eventually(t, "messages of new topics", func() bool {
		return three(g) && three(g2) && len(in.on(watched+"yes-new")) == 1 && slices.Equal(in2.on(watched+"yes-parted-partition-0"), []string{"x 0"})
	})
	if g.Consumer(watched+"not") != nil {
		t.Error("a topic that does not match is consumed")
	}
	deleted.Store(true)
	b.CloseConsumers(watched+"yes-new", "")
	x, x2 := g.Consumer(watched+"yes-new"), g2.Consumer(watched+"yes-new")
	eventually(t, "consumers without a broker", func() bool { return !x.Connected() && !x2.Connected() })
	b.DeleteTopic(watched + "yes-new")
	eventually(t, "one less", func() bool { return g.Consumer(watched+"yes-new") == nil && g2.Consumer(watched+"yes-new") == nil })
	deleted.Store(false)
	b.CreateTopic(watched + "yes-new")
	eventually(t, "it again", func() bool {
		y := g.Consumer(watched + "yes-new")
		return y != nil && y != x && y.Connected()
	})
	if lists, watches := lists.Load(), watches.Load(); lists != 3 || watches != 1 {
		t.Errorf("%d listings, %d watchers", lists, watches)
	}
	g.Close(nil)
	if b.Watchers() != 1 {
		t.Error("the watcher is gone, though one group is left")
	}
	g2.Close(nil)
	eventually(t, "the end of the watcher", func() bool { return b.Watchers() == 0 })
	if watchOf(c) != nil {
		t.Error("the watch is left")
	}
}

// TestTopicWatchWithout lists topics where the broker has no watchers, and tells it what it has said last.
func TestTopicWatchWithout(t *testing.T) {
	b := fakebroker.Start(t)
	b.Topics = []string{watched + "yes"}
	var mu sync.Mutex // guards hashes
	var hashes []string
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.GetTopics:
			mu.Lock()
			hashes = append(hashes, cmd.TopicsHash)
			mu.Unlock()
		case *wire.WatchTopicList:
			t.Error("a watcher is asked for")
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	g, _ := openMatching(t, c, "s")
	b.CreateTopic(watched + "yes-too")
	w := watchOf(c)
	w.list() // as once a minute
	eventually(t, "what was listed", func() bool { return g.Consumer(watched+"yes-too") != nil })
	asked := func(n int) {
		t.Helper()
		eventually(t, "a listing", func() bool { mu.Lock(); defer mu.Unlock(); return len(hashes) == n })
	}
	w.list()
	asked(3)
	w.forgot()
	w.list()
	asked(4)
	mu.Lock()
	defer mu.Unlock()
	if hashes[0] != "" || hashes[1] != "" || hashes[2] == "" || hashes[3] != "" {
		t.Errorf("%q", hashes)
	}
}

// watchFaults are what a broker can do instead of what it should when it is asked for a watcher for the nth time.
var watchFaults = []struct {
	name string
	do   func(c *fakebroker.Conn, cmd *wire.WatchTopicList, n int) fakebroker.Verdict
	ever bool // there will be no watcher
}{
	{"drops", func(c *fakebroker.Conn, _ *wire.WatchTopicList, n int) fakebroker.Verdict { return fakebroker.Drop }, false},
	{"does not answer", func(*fakebroker.Conn, *wire.WatchTopicList, int) fakebroker.Verdict { return fakebroker.Ignore }, false},
	{"is not ready", func(c *fakebroker.Conn, cmd *wire.WatchTopicList, _ int) fakebroker.Verdict {
		c.Send(&wire.Error{RequestID: cmd.RequestID, Error: wire.ServiceNotReady})
		return fakebroker.Ignore
	}, false},
	{"answers by another command", func(c *fakebroker.Conn, cmd *wire.WatchTopicList, _ int) fakebroker.Verdict {
		c.Send(&wire.Success{RequestID: cmd.RequestID})
		return fakebroker.Ignore
	}, false},
	{"answers and drops", func(c *fakebroker.Conn, cmd *wire.WatchTopicList, _ int) fakebroker.Verdict {
		_ = c.Handle(cmd)
		return fakebroker.Drop
	}, false},
	{"answers with an update first", func(c *fakebroker.Conn, cmd *wire.WatchTopicList, _ int) fakebroker.Verdict {
		c.Send(&wire.WatchTopicUpdate{WatcherID: cmd.WatcherID, NewTopics: []string{watched + "yes-early"}})
		return fakebroker.Handle
	}, false},
	{"says that all is as it was", func(c *fakebroker.Conn, cmd *wire.WatchTopicList, _ int) fakebroker.Verdict {
		c.Send(&wire.WatchTopicListSuccess{RequestID: cmd.RequestID, WatcherID: cmd.WatcherID, TopicsHash: cmd.TopicsHash})
		return fakebroker.Ignore
	}, true},
	{"updates a watcher of nobody", func(c *fakebroker.Conn, cmd *wire.WatchTopicList, _ int) fakebroker.Verdict {
		c.Send(&wire.WatchTopicUpdate{WatcherID: 1 << 60, NewTopics: []string{watched + "yes-nowhere"}})
		c.Send(&wire.WatchTopicListSuccess{RequestID: 1 << 60})
		return fakebroker.Handle
	}, false},
	{"refuses", func(c *fakebroker.Conn, cmd *wire.WatchTopicList, _ int) fakebroker.Verdict {
		c.Send(&wire.Error{RequestID: cmd.RequestID, Error: wire.NotAllowedError})
		return fakebroker.Ignore
	}, true},
}

// TestTopicWatchFaults lets a broker do each of the faults twice. New topics are found in the end: by the watcher once there is one, else by listing.
func TestTopicWatchFaults(t *testing.T) {
	for _, f := range watchFaults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			b := fakebroker.Start(t)
			b.TopicWatchers = true
			b.Topics = []string{watched + "yes"}
			var asked atomic.Int32
			b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
				if cmd, ok := cmd.(*wire.WatchTopicList); ok {
					if n := int(asked.Add(1)); n <= 2 {
						return f.do(c, cmd, n)
					}
				}
				return fakebroker.Handle
			}
			c := newClient(t, Options{ServiceURL: b.URL(), OperationTimeout: 300 * time.Millisecond, KeepAlive: 60 * time.Millisecond})
			g, in := openMatchingLate(t, c, "s")
			if f.ever {
				eventually(t, "the question", func() bool { return asked.Load() > 0 })
			} else {
				eventually(t, "the watcher", func() bool { return isWatching(c) && b.Watchers() == 1 })
			}
			publishText(b, watched+"yes-new", "x")
			b.CreateTopic(watched + "yes-new")
			if f.ever {
				watchOf(c).list()
			}
			eventually(t, "a message", func() bool { return len(in.on(watched+"yes-new")) == 1 })
			if g.Consumer(watched+"yes-nowhere") != nil {
				t.Error("another's update is heeded")
			}
			if len(in.ended) > 0 {
				t.Error("the group has ended")
			}
		})
	}
}

// TestTopicWatchLost finds what was created while there was no connection, and does not have to be told again what it knows.
func TestTopicWatchLost(t *testing.T) {
	b := fakebroker.Start(t)
	b.TopicWatchers = true
	b.Topics = []string{watched + "yes"}
	var away, listed atomic.Bool
	answers := make(chan string, 100) // the hashes that were sent
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.Connect:
			if away.Load() {
				return fakebroker.Drop
			}
		case *wire.WatchTopicList:
			listed.Store(false)
			answers <- cmd.TopicsHash
		case *wire.GetTopics:
			listed.Store(true)
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	g, _ := openMatching(t, c, "s")
	if hash := receive(t, "the question", answers); hash != "" {
		t.Error(hash)
	}
	eventually(t, "the watcher", func() bool { return isWatching(c) })
	drop := func() {
		for _, conn := range b.Conns() {
			conn.Close()
		}
	}
	drop()
	first := receive(t, "the question", answers)
	if first == "" {
		t.Error("the broker is not told what is known")
	}
	eventually(t, "the watcher", func() bool { return isWatching(c) })
	away.Store(true)
	drop()
	eventually(t, "the end of the watcher", func() bool { return !isWatching(c) })
	b.CreateTopic(watched + "yes-new")
	away.Store(false)
	eventually(t, "what was created meanwhile", func() bool { return g.Consumer(watched+"yes-new") != nil })
	if hash := receive(t, "the question", answers); hash != first {
		t.Errorf("%q, where the answer was %q", hash, first)
	}
	// Of a list that has changed since, the hash says nothing: who has missed a change could not know.
	eventually(t, "the watcher, and the list", func() bool { return isWatching(c) && listed.Load() })
	b.CreateTopic(watched + "yes-last")
	eventually(t, "what is told of", func() bool { return g.Consumer(watched+"yes-last") != nil })
	drop()
	if hash := receive(t, "the question", answers); hash != "" {
		t.Errorf("%q of a list that has changed", hash)
	}
}

// TestTopicWatchGap has a topic that was created after the broker made its list, and before it had the watcher.
func TestTopicWatchGap(t *testing.T) {
	b := fakebroker.Start(t)
	b.TopicWatchers = true
	b.Topics = []string{watched + "yes"}
	var asked atomic.Int32
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if cmd, ok := cmd.(*wire.WatchTopicList); ok && asked.Add(1) == 2 {
			b.CreateTopic(watched + "yes-between")
			c.Send(&wire.WatchTopicListSuccess{RequestID: cmd.RequestID, WatcherID: cmd.WatcherID, Topics: []string{watched + "yes"}, TopicsHash: "old"})
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	g, _ := openMatching(t, c, "s")
	eventually(t, "the watcher", func() bool { return isWatching(c) })
	for _, conn := range b.Conns() {
		conn.Close()
	}
	eventually(t, "what came between", func() bool { return g.Consumer(watched+"yes-between") != nil })
}

// TestTopicWatchDisorder is told of what came and went in any order, of topics that it has, and before it has begun: topics that are there are
// consumed in the end.
func TestTopicWatchDisorder(t *testing.T) {
	b := fakebroker.Start(t)
	b.TopicWatchers = true
	b.Topics = []string{watched + "yes"}
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	var lists atomic.Int32
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.GetTopics: // the group's is old when it arrives; the watcher's is asked for with a hash
			if lists.Add(1); cmd.TopicsHash == "" {
				go func() {
					held <- struct{}{}
					<-hold
					c.Send(&wire.GetTopicsResponse{RequestID: cmd.RequestID, Topics: []string{watched + "yes"}})
				}()
				return fakebroker.Ignore
			}
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newGroupInbox()
	g := c.OpenGroup(matching, "s", &ConsumerOptions{Type: wire.Shared}, &in.permits, in)
	receive(t, "the first listing", held)
	eventually(t, "the watcher", func() bool { return isWatching(c) })
	b.CreateTopic(watched + "yes-early")
	eventually(t, "the news", func() bool { g.mu.Lock(); defer g.mu.Unlock(); return len(g.early) > 1 })
	close(hold)
	if err := receive(t, "the group", in.opened); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what came before the list", func() bool { return g.Consumer(watched+"yes-early") != nil })
	for i := range 20 {
		b.TellWatchers([]string{watched + "yes", watched + "yes-early"}, []string{watched + "yes"})
		b.TellWatchers(nil, []string{watched + "yes-early", watched + "no", "?"})
		b.TellWatchers([]string{fmt.Sprint("persistent://other/ns/yes", i), "", "persistent://"}, nil)
	}
	// A consumer that is being made anew because its topic was said to be gone is left when that is said once more. Nothing but a
	// listing would find the topic, a minute later, were this not the last that is said of it.
	b.TellWatchers([]string{watched + "yes-early"}, nil)
	b.CreateTopic(watched + "yes-last")
	eventually(t, "all three", func() bool {
		list := g.Consumers()
		return g.Consumer(watched+"yes-last") != nil && len(list) == 3 && !slices.ContainsFunc(list, func(x *Consumer) bool { return !x.Connected() })
	})
	eventually(t, "the end of those that were left, and two listings", func() bool { return b.Consumers() == 3 && lists.Load() == 2 })
}

// TestTopicDeletedWhileOpened has a broker that confirms a consumer of a topic which is being deleted, before or after it tells of that. The consumer would never
// get anything.
func TestTopicDeletedWhileOpened(t *testing.T) {
	for _, first := range []string{"the consumer", "the news"} {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s first, again %t", first, again), func(t *testing.T) {
				b := fakebroker.Start(t)
				b.TopicWatchers = true
				var asked atomic.Int32
				b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
					s, ok := cmd.(*wire.Subscribe)
					if !ok {
						return fakebroker.Handle
					}
					if asked.Add(1) > 1 {
						if again {
							return fakebroker.Handle
						}
						c.Send(&wire.Error{RequestID: s.RequestID, Error: wire.TopicNotFound})
						return fakebroker.Ignore
					}
					if first == "the news" {
						b.DeleteTopic(s.Topic)
					}
					c.Send(&wire.Success{RequestID: s.RequestID}) // of a consumer that there is not
					if first == "the consumer" {
						b.DeleteTopic(s.Topic)
					}
					return fakebroker.Ignore
				}
				c := newClient(t, Options{ServiceURL: b.URL()})
				g, in := openMatching(t, c, "s")
				eventually(t, "the watcher", func() bool { return isWatching(c) })
				b.CreateTopic(watched + "yes")
				eventually(t, "the second time", func() bool { return asked.Load() == 2 })
				if again {
					publishText(b, watched+"yes", "x")
					eventually(t, "a message", func() bool { return len(in.on(watched+"yes")) == 1 })
				} else {
					eventually(t, "the end", func() bool { return len(g.Consumers()) == 0 })
				}
				if len(in.ended) > 0 {
					t.Error("the group has ended")
				}
			})
		}
	}
}

// TestGoneEndsNoGroup has a topic that is said to be gone when no time is left to ask once more. The group does without it, as with one that is not found.
func TestGoneEndsNoGroup(t *testing.T) {
	b := fakebroker.Start(t)
	b.Script = func(_ *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if _, ok := cmd.(*wire.GetTopics); ok {
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newGroupInbox()
	g := c.OpenGroup(matching, "s", &ConsumerOptions{Type: wire.Shared}, &in.permits, in)
	g.mu.Lock()
	g.waiting, g.opening = 2, 1 // the other is never opened
	g.mu.Unlock()
	(&groupMember{g: g, at: &groupPart{}}).Opened(&Consumer{topic: watched + "yes"}, errTopicGone)
	if len(in.opened) > 0 {
		t.Errorf("the group has ended: %v", <-in.opened)
	}
	g.Close(nil)
}

// TestLongList has a namespace whose list is longer than a message may be, which nobody else notices.
func TestLongList(t *testing.T) {
	b := fakebroker.Start(t)
	b.TopicWatchers = true
	b.MaxMessageSize = 1000
	for i := range 1000 {
		b.Topics = append(b.Topics, fmt.Sprintf("%sno-%0100d", watched, i))
	}
	b.Topics = append(b.Topics, watched+"yes")
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newInbox(t)
	openConsumer(t, c, topic, earliest(wire.Shared), in)
	g, _ := openMatching(t, c, "s")
	eventually(t, "the watcher", func() bool { return isWatching(c) })
	w := watchOf(c)
	w.forgot()
	b.CreateTopic(watched + "yes-too")
	w.list()
	eventually(t, "what is new", func() bool { return g.Consumer(watched+"yes-too") != nil })
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.events) > 0 {
		t.Errorf("another's consumer was told %v", in.events)
	}
}

// TestLongListHTTP is the same over HTTP.
func TestLongListHTTP(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/admin/v2/namespaces/a/b/topics" {
			t.Error(r.URL)
		}
		_ = json.NewEncoder(w).Encode(slices.Repeat([]string{strings.Repeat("x", 1000)}, 2000)) // the client is gone
	}))
	defer web.Close()
	c := newClient(t, Options{ServiceURL: web.URL})
	done := make(chan error, 1)
	c.TopicsOf("a/b", "", func(list []string, err error) {
		if len(list) != 2000 {
			t.Errorf("%d topics", len(list))
		}
		done <- err
	})
	if err := receive(t, "an answer", done); err != nil {
		t.Error(err)
	}
}

// TestForgotWhileAsked has a group leave a topic while the broker is asked for a watcher and about to say that all is as it was. What it says does not
// undo that the next listing is to be a whole one.
func TestForgotWhileAsked(t *testing.T) {
	b := fakebroker.Start(t)
	b.TopicWatchers = true
	b.Topics = []string{watched + "yes"}
	asked, forgotten, listed := make(chan string), make(chan struct{}), make(chan string, 10)
	b.Script = func(_ *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.WatchTopicList:
			if cmd.TopicsHash != "" {
				asked <- cmd.TopicsHash
				<-forgotten
			}
		case *wire.GetTopics:
			listed <- cmd.TopicsHash
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	openMatching(t, c, "s")
	receive(t, "the group's listing", listed)
	receive(t, "the watcher's", listed)
	answered := make(chan error, 1)
	c.TopicsOf(matching.Namespace, "", func(_ []string, err error) { answered <- err })
	receive(t, "ours", listed)
	receive(t, "the answers to all three", answered)
	w := watchOf(c)
	w.mu.Lock()
	on := w.on
	w.mu.Unlock()
	on.fail(errors.New("lost"))
	receive(t, "the question", asked)
	w.forgot()
	close(forgotten)
	if hash := receive(t, "the next listing", listed); hash != "" {
		t.Errorf("the next listing is compared with %q", hash)
	}
}

// TestGroupLeavesOnce has a group told twice that a topic is not to be had, the second time when it has found it again.
func TestGroupLeavesOnce(t *testing.T) {
	b := fakebroker.Start(t)
	b.Topics = []string{watched + "yes"}
	c := newClient(t, Options{ServiceURL: b.URL()})
	g, _ := openMatching(t, c, "s")
	x := g.Consumer(watched + "yes")
	at := x.handler.(*groupMember).at
	g.leave(at, x.topic)
	g.changed(b.Topics, nil)
	y := g.Consumer(watched + "yes")
	if y == nil || y == x {
		t.Fatal("the topic is not found again")
	}
	g.leave(at, x.topic)
	if g.Consumer(watched+"yes") != y {
		t.Error("the new consumer is forgotten")
	}
	x.Close(nil)
}

// refusals is a log that calls told once a group's consumer is refused.
type refusals struct {
	slog.Handler
	told func()
}

func (h refusals) Enabled(context.Context, slog.Level) bool { return true }

func (h refusals) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "a topic that was found cannot be consumed" {
		h.told()
	}
	return nil
}

// TestFoundWhileRefused finds a topic again before the one who makes its consumer has learned that it is refused: the group keeps the new one.
func TestFoundWhileRefused(t *testing.T) {
	b := fakebroker.Start(t)
	b.TopicWatchers = true
	b.Topics = []string{watched + "yes"}
	var g *Group
	var second *Consumer
	log := refusals{told: func() {
		g.changed([]string{watched + "yes-new"}, nil)
		eventually(t, "the new consumer", func() bool {
			second = g.Consumer(watched + "yes-new")
			return second != nil && second.Connected()
		})
	}}
	c := newClient(t, Options{ServiceURL: b.URL(), Log: slog.New(log), MaxPrincipals: 1})
	w := newWatcher()
	c.NewProducer(ProducerOptions{Topic: topic, Principal: "the only one"}, producerOwner{w})
	if err := receive(t, "the producer", w.opened); err != nil {
		t.Fatal(err)
	}
	g, _ = openMatching(t, c, "s")
	g.join([]member{{watched + "yes-new", watched + "yes-new"}}, &ConsumerOptions{Type: wire.Shared, Principal: "one too many"})
	if x := g.Consumer(watched + "yes-new"); second == nil || x != second || !x.Connected() {
		t.Errorf("the group has %p, not %p", x, second)
	}
}

// TestFoundOnceOpened finds the consumer of a part as soon as that is opened, so that what it delivers can be acknowledged.
func TestFoundOnceOpened(t *testing.T) {
	b := fakebroker.Start(t)
	b.TopicWatchers = true
	b.Topics = []string{watched + "yes"}
	c := newClient(t, Options{ServiceURL: b.URL()})
	g, _ := openMatching(t, c, "s")
	x := g.Consumer(watched + "yes")
	g.mu.Lock()
	at := g.parts[x.topic]
	at.x = nil // its maker has not come to that yet
	g.opening++
	g.mu.Unlock()
	(&groupMember{g: g, at: at}).Opened(x, nil)
	if found := g.Consumer(x.topic); found != x {
		t.Errorf("found %p, not %p", found, x)
	}
}
