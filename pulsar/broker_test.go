//go:build pulsar

package pulsar

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

func TestMain(m *testing.M) { pulsartest.Main(m) }

// brokerPatience is patience with a broker that may have just been started, on a machine that is busy.
const brokerPatience = 2 * time.Minute

// native is the independent client that reads what was published here.
func native(t *testing.T, url string) pulsar.Client {
	c, err := pulsar.NewClient(pulsar.ClientOptions{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// readAll reads n messages of a topic with the independent client.
func readAll(t *testing.T, c pulsar.Client, topic string, n int) (list []pulsar.Message) {
	t.Helper()
	r, err := c.CreateReader(pulsar.ReaderOptions{Topic: topic, StartMessageID: pulsar.EarliestMessageID()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), brokerPatience)
	defer cancel()
	for len(list) < n {
		m, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(list), n, err)
		}
		list = append(list, m)
	}
	return list
}

// TestInterchange publishes in all compressions, in batches and not, over both kinds of lookup, and has the
// independent client read it.
func TestInterchange(t *testing.T) {
	cluster := pulsartest.Shared(t)
	ns := cluster.Namespace(t)
	reader := native(t, cluster.BrokerURL())
	for _, url := range []string{cluster.BrokerURL(), cluster.AdminURL()} {
		c := newClient(t, Options{ServiceURL: url})
		for compression := wire.NoCompression; compression <= wire.SNAPPY; compression++ {
			for _, batching := range []bool{false, true} {
				topic := "persistent://" + ns + "/" + pulsartest.Name("t")
				p := openPublisher(t, c, ProducerOptions{
					Topic: topic, Compression: compression, Batching: batching, BatchMessages: 10,
					BatchDelay: time.Hour, // or a slow machine makes batches of one, which are messages alone
				}, Routing{})
				l := newLedger(t)
				const n = 25
				for i := range n {
					l.sendMessage(p, text(i), &Message{
						Payload: []byte(long(i, i*i)), Key: fmt.Sprint("key ", i), HasKey: true, OrderingKey: []byte{byte(i)},
						Properties: []KeyValue{{Key: "n", Value: fmt.Sprint(i)}}, EventTime: time.UnixMilli(int64(1000 + i)),
					})
				}
				l.sendMessage(p, "large", &Message{Payload: []byte(strings.Repeat("large ", 200_000))})
				l.wait()
				for text, err := range l.errs {
					t.Fatalf("%s: %v", text, err)
				}
				for i, m := range readAll(t, reader, topic, n+1) {
					if i == n {
						if len(m.Payload()) != 1_200_000 {
							t.Errorf("%s, batching %t: %d bytes", compression, batching, len(m.Payload()))
						}
						continue
					}
					if string(m.Payload()) != long(i, i*i) || m.Key() != fmt.Sprint("key ", i) || m.OrderingKey() != string([]byte{byte(i)}) ||
						!reflect.DeepEqual(m.Properties(), map[string]string{"n": fmt.Sprint(i)}) || m.EventTime().UnixMilli() != int64(1000+i) {
						t.Errorf("%s, batching %t, %d: %q", compression, batching, i, m.Key())
					}
					id := l.ids[text(i)]
					if id.LedgerID != m.ID().LedgerID() || id.EntryID != m.ID().EntryID() || batching != (id.BatchIndex >= 0) ||
						batching && (id.BatchIndex != m.ID().BatchIdx() || id.BatchSize != m.ID().BatchSize()) {
						t.Errorf("%s, batching %t, %d: stored at %+v, read at %v", compression, batching, i, id, m.ID())
					}
				}
				closed := make(chan struct{})
				p.Close(func() { close(closed) })
				receive(t, "the end of the producer", closed)
				stats, err := cluster.Admin.Stats(t.Context(), topic)
				if err != nil || len(stats.Publishers) != 0 {
					t.Errorf("%d producers are left, %v", len(stats.Publishers), err)
				}
			}
		}
	}
}

// TestUnload moves a topic away under load, many times. The broker deduplicates, so that all arrives once and in order.
func TestUnload(t *testing.T) {
	cluster := pulsartest.Shared(t)
	ns := cluster.Namespace(t)
	if err := cluster.Admin.SetNamespacePolicy(t.Context(), ns, "deduplication", true); err != nil {
		t.Fatal(err)
	}
	reader := native(t, cluster.BrokerURL())
	const most = 10_000 // under way
	for _, batching := range []bool{false, true} {
		topic := "persistent://" + ns + "/" + pulsartest.Name("t")
		if err := cluster.Admin.CreateTopic(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
		// Without a subscription the broker deletes what is older than the last unload.
		if err := cluster.Admin.CreateSubscription(t.Context(), topic, "keep"); err != nil {
			t.Fatal(err)
		}
		c := newClient(t, Options{ServiceURL: cluster.BrokerURL()})
		p, _ := openProducer(t, c, ProducerOptions{Topic: topic, Name: "p", Batching: batching, MaxPending: most})
		l := newLedger(t)
		n := 0
		unloads := make(chan error)
		go func() {
			defer close(unloads)
			for range 8 {
				unloads <- cluster.Admin.UnloadTopic(context.Background(), topic)
			}
		}()
		for under := true; under; {
			select {
			case err, ok := <-unloads:
				if err != nil {
					t.Error(err)
				}
				under = ok
			case <-time.After(time.Millisecond):
			}
			if l.unanswered() > most/2 { // the broker is slower than this
				continue
			}
			for range 20 {
				l.send(p, text(n))
				n++
			}
		}
		l.wait()
		refused := len(l.errs)
		var stored []fakebroker.Message
		for _, m := range readAll(t, reader, topic, n-refused) {
			stored = append(stored, fakebroker.Message{Payload: string(m.Payload())})
		}
		l.check(stored, true)
		for text, err := range l.errs {
			t.Errorf("%s: %v", text, err)
		}
		t.Logf("%d messages, batching %t", n, batching)
	}
}

// TestKilledBroker kills a broker under load and starts it again.
func TestKilledBroker(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cluster, err := pulsartest.Start(ctx, pulsartest.Options{BrokerConf: map[string]string{"brokerDeduplicationEnabled": "true"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	}()
	const topic = "persistent://public/default/t"
	if err := cluster.Admin.CreateTopic(ctx, topic); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Admin.CreateSubscription(ctx, topic, "keep"); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, Options{ServiceURL: cluster.BrokerURL(), MaxBackoff: 500 * time.Millisecond, MinBackoff: 10 * time.Millisecond})
	p, _ := openProducer(t, c, ProducerOptions{Topic: topic, Name: "p", MaxPending: 100_000})
	l := newLedger(t)
	n := 0
	burst := func() {
		for range 3000 {
			l.send(p, text(n))
			n++
		}
	}
	burst()
	l.waitFor(1000) // or there might be nothing to lose
	if err := cluster.KillBroker(); err != nil {
		t.Fatal(err)
	}
	burst()
	if err := cluster.StartBroker(ctx); err != nil {
		t.Fatal(err)
	}
	burst()
	l.waitWithin(brokerPatience)
	for text, err := range l.errs {
		t.Errorf("%s: %v", text, err)
	}
	var stored []fakebroker.Message
	for _, m := range readAll(t, native(t, cluster.BrokerURL()), topic, n) {
		stored = append(stored, fakebroker.Message{Payload: string(m.Payload())})
	}
	l.check(stored, true)
}

// TestTerminate ends the producer of a topic that is terminated.
func TestTerminate(t *testing.T) {
	cluster := pulsartest.Shared(t)
	topic := "persistent://" + cluster.Namespace(t) + "/t"
	c := newClient(t, Options{ServiceURL: cluster.BrokerURL()})
	p, w := openProducer(t, c, ProducerOptions{Topic: topic})
	if err := cluster.Admin.TerminateTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	l := newLedger(t)
	l.send(p, "too late")
	l.wait()
	var e *Error
	if err := l.err("too late"); !errors.As(err, &e) || e.Code != wire.TopicTerminatedError {
		t.Error(err)
	}
	if err := receive(t, "the end", w.ended); !errors.As(err, &e) || e.Code != wire.TopicTerminatedError {
		t.Error(err)
	}
	again := newWatcher()
	c.NewProducer(ProducerOptions{Topic: topic}, producerOwner{again})
	if err := receive(t, "an answer", again.opened); !errors.As(err, &e) || e.Code != wire.TopicTerminatedError {
		t.Error(err)
	}
}

// TestNonPersistent publishes where nothing is stored: that is confirmed, too, without a place.
func TestNonPersistent(t *testing.T) {
	cluster := pulsartest.Shared(t)
	c := newClient(t, Options{ServiceURL: cluster.BrokerURL()})
	for _, batching := range []bool{false, true} {
		p, _ := openProducer(t, c, ProducerOptions{Topic: "non-persistent://" + cluster.Namespace(t) + "/t", Batching: batching})
		l := newLedger(t)
		for i := range 20 {
			l.send(p, text(i))
		}
		l.wait()
		if id, err := l.ids[text(0)], l.err(text(0)); id.LedgerID != 0 || id.EntryID != 0 || len(l.errs) > 0 {
			t.Errorf("%+v, %v", id, err)
		}
	}
}

// TestExclusive has the broker keep a topic for one producer, and fence it off for the next.
func TestExclusive(t *testing.T) {
	cluster := pulsartest.Shared(t)
	topic := "persistent://" + cluster.Namespace(t) + "/t"
	c := newClient(t, Options{ServiceURL: cluster.BrokerURL()})
	p, first := openProducer(t, c, ProducerOptions{Topic: topic, AccessMode: wire.AccessExclusive})
	w := newWatcher()
	c.NewProducer(ProducerOptions{Topic: topic, AccessMode: wire.AccessExclusive}, producerOwner{w})
	var e *Error
	if err := receive(t, "an answer", w.opened); !errors.As(err, &e) || e.Code != wire.ProducerFenced {
		t.Error(err)
	}
	openProducer(t, c, ProducerOptions{Topic: topic, AccessMode: wire.AccessExclusiveWithFencing})
	l := newLedger(t)
	l.send(p, "fenced off") // the broker does not tell before
	l.wait()
	if err := l.err("fenced off"); !errors.As(err, &e) || e.Code != wire.ProducerFenced {
		t.Errorf("a message of a producer that is fenced off: %v", err)
	}
	if err := receive(t, "the end of the first", first.ended); !errors.As(err, &e) || e.Code != wire.ProducerFenced {
		t.Error(err)
	}
}

// TestRealPartitions publishes by key to where the independent client does. With Java's hash that one errs, in its sign.
func TestRealPartitions(t *testing.T) {
	cluster := pulsartest.Shared(t)
	topic := "persistent://" + cluster.Namespace(t) + "/t"
	if err := cluster.Admin.CreatePartitionedTopic(t.Context(), topic, 5); err != nil {
		t.Fatal(err)
	}
	theirs, err := native(t, cluster.BrokerURL()).CreateProducer(pulsar.ProducerOptions{Topic: topic, HashingScheme: pulsar.Murmur3_32Hash})
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, Options{ServiceURL: cluster.BrokerURL()})
	ours := openPublisher(t, c, ProducerOptions{Topic: topic}, Routing{Murmur3: true})
	l := newLedger(t)
	for i := range 20 {
		key := fmt.Sprint("key ", i)
		id, err := theirs.Send(t.Context(), &pulsar.ProducerMessage{Key: key, Payload: []byte("theirs")})
		if err != nil {
			t.Fatal(err)
		}
		l.sendMessage(ours, key, &Message{Key: key, HasKey: true, Payload: []byte("ours")})
		l.wait()
		if got := l.ids[key].Partition; l.err(key) != nil || got != id.PartitionIdx() {
			t.Errorf("%s: partition %d, not %d (%v)", key, got, id.PartitionIdx(), l.err(key))
		}
	}
}
