package pulsar

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// TestGroupsTakeTurns opens groups over many topics a few topics at a time, each its share, while one with a single topic does not wait, and
// one that is closed gives its turns back.
func TestGroupsTakeTurns(t *testing.T) {
	b := fakebroker.Start(t)
	type asked struct {
		c   *fakebroker.Conn
		cmd *wire.Subscribe
	}
	var mu sync.Mutex // guards what follows
	var waiting []asked
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if s, ok := cmd.(*wire.Subscribe); ok && s.Subscription != "single" {
			mu.Lock()
			defer mu.Unlock()
			waiting = append(waiting, asked{c, s})
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	of := func(subscription string) (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, a := range waiting {
			if a.cmd.Subscription == subscription {
				n++
			}
		}
		return n
	}
	answer := func() {
		mu.Lock()
		a := waiting[0]
		waiting = waiting[1:]
		mu.Unlock()
		a.c.Send(&wire.Success{RequestID: a.cmd.RequestID})
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	c.turns.patience = time.Hour
	const topics = 5
	open := func(subscription string) (*Group, *groupInbox) {
		var list []string
		for i := range topics {
			list = append(list, fmt.Sprint(topic, subscription, i))
		}
		in := newGroupInbox()
		return c.OpenGroup(Selection{Topics: list}, subscription, &ConsumerOptions{Type: wire.Shared}, &in.permits, in), in
	}
	_, first := open("first")
	eventually(t, "its share", func() bool { return of("first") == groupTopics })
	second, _ := open("second")
	eventually(t, "the other's share", func() bool { return of("second") == allGroupTopics-groupTopics })
	_, third := open("third")
	single := newGroupInbox()
	c.OpenGroup(Selection{Topics: []string{topic}}, "single", &ConsumerOptions{Type: wire.Shared}, &single.permits, single)
	if err := receive(t, "the single topic", single.opened); err != nil {
		t.Fatal(err)
	}
	if n := of("first") + of("second") + of("third"); n != allGroupTopics {
		t.Errorf("%d topics are opened at the same time", n)
	}
	second.Close(nil)
	eventually(t, "the turns of one that is closed", func() bool { return of("third") == groupTopics })
	for opened := 0; opened < 2; {
		mu.Lock()
		some, most := len(waiting) > 0, 0
		for _, a := range waiting {
			if a.cmd.Subscription != "second" { // whose turns are over
				most++
			}
		}
		mu.Unlock()
		if most > allGroupTopics {
			t.Fatalf("%d topics are opened at the same time", most)
		}
		if some {
			answer()
		}
		for _, in := range []*groupInbox{first, third} {
			select {
			case err := <-in.opened:
				if err != nil {
					t.Fatal(err)
				}
				opened++
			default:
			}
		}
	}
}

// TestTurnsOfTheUnanswered has groups whose topics' broker does not answer take all turns: a group that comes later is opened all the same.
func TestTurnsOfTheUnanswered(t *testing.T) {
	b := fakebroker.Start(t)
	b.Script = func(_ *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if s, ok := cmd.(*wire.Subscribe); ok && strings.HasSuffix(s.Topic, "unanswered") {
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL(), OperationTimeout: time.Hour})
	open := func(topics ...string) *groupInbox {
		in := newGroupInbox()
		c.OpenGroup(Selection{Topics: topics}, "s", &ConsumerOptions{Type: wire.Shared}, &in.permits, in)
		return in
	}
	for range allGroupTopics {
		open(topic+"-1-unanswered", topic+"-2-unanswered", topic+"-3-unanswered")
	}
	if err := receive(t, "the group", open(topic+"-a", topic+"-b").opened); err != nil {
		t.Error(err)
	}
	c.turns.mu.Lock()
	defer c.turns.mu.Unlock()
	if c.turns.taken < 0 || c.turns.taken > allGroupTopics {
		t.Errorf("%d turns are taken", c.turns.taken)
	}
}
