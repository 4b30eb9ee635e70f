//go:build pulsar

package pulsar

import (
	"slices"
	"strings"
	"testing"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/pulsar/wire"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// TestRealTopicWatch is told by a real broker of topics that come and go, long before they would be listed.
func TestRealTopicWatch(t *testing.T) {
	cluster := pulsartest.Shared(t)
	ns := cluster.Namespace(t)
	theirs := native(t, cluster.BrokerURL())
	c := newClient(t, Options{ServiceURL: cluster.BrokerURL()})
	in := newGroupInbox()
	sel := Selection{Namespace: ns, Match: func(topic string) bool { return strings.Contains(topic, "/yes") }}
	g := c.OpenGroup(sel, "s", &ConsumerOptions{Type: wire.Shared}, &in.permits, in)
	if err := receive(t, "the group", in.opened); err != nil {
		t.Fatal(err)
	}
	connected := func() bool {
		c.mu.Lock()
		w := c.watches[watchKey{namespace: ns}]
		c.mu.Unlock()
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.connected
	}
	eventually(t, "the watcher", connected)
	path := "persistent://" + ns + "/"
	sendTexts(t, nativeProducer(t, theirs, pulsar.ProducerOptions{Topic: path + "no"}), "x")
	sendTexts(t, nativeProducer(t, theirs, pulsar.ProducerOptions{Topic: path + "yes", DisableBatching: true}), "x")
	if err := cluster.Admin.CreatePartitionedTopic(t.Context(), path+"yes-parted", 2); err != nil {
		t.Fatal(err)
	}
	// Whoever subscribes to a topic that is being deleted may make the broker keep it, so all are to be connected.
	eventually(t, "the new topics", func() bool {
		list := g.Consumers()
		return len(list) == 3 && !slices.ContainsFunc(list, func(x *Consumer) bool { return !x.Connected() }) && slices.Equal(in.on(path+"yes"), []string{"x -1"})
	})
	if err := cluster.Admin.DeletePartitionedTopic(t.Context(), path+"yes-parted"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one topic", func() bool { return len(g.Consumers()) == 1 })
	c.mu.Lock()
	w := c.watches[watchKey{namespace: ns}]
	c.mu.Unlock()
	w.mu.Lock()
	on := w.on
	w.mu.Unlock()
	on.fail(ErrConnection)
	if err := cluster.Admin.CreateTopic(t.Context(), path+"yes-late"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what was created meanwhile", func() bool { return g.Consumer(path+"yes-late") != nil })
	closed := make(chan struct{})
	g.Close(func() { close(closed) })
	receive(t, "the end", closed)
	var topics []string
	if err := cluster.Admin.Do(t.Context(), "GET", "/admin/v2/persistent/"+ns, nil, &topics); err != nil || len(topics) != 3 {
		t.Errorf("topics %v: %v", topics, err)
	}
}
