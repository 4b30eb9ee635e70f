//go:build pulsar

package pulsar

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// events is a receiver that passes everything on.
type events struct {
	messages chan *codec.Message
	lost     chan error
}

func newEvents() *events {
	return &events{make(chan *codec.Message, 10_000), make(chan error, 1)}
}

func (e *events) Deliver(m *codec.Message) { e.messages <- m }
func (e *events) Lost(err error)           { e.lost <- err }

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestLost deletes the topics under a consumer and a reader, where nothing
// makes them again.
func TestLost(t *testing.T) {
	c := pulsartest.Shared(t)
	ctx := testContext(t)
	ns := c.Namespace(t)
	topic := "persistent://" + ns + "/t"
	if err := c.Admin.CreateTopic(ctx, topic); err != nil {
		t.Fatal(err)
	}
	if err := c.Admin.SetNamespacePolicy(ctx, ns, "autoTopicCreation", map[string]any{"allowAutoTopicCreation": false}); err != nil {
		t.Fatal(err)
	}
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL()})
	defer u.Close()
	consumer, reader := newEvents(), newEvents()
	if _, err := u.Subscribe(ctx, bridge.ConsumerSpec{Topic: topic, Subscription: "s", Queue: 1, RedeliveryTick: time.Second}, consumer); err != nil {
		t.Fatal(err)
	}
	if _, err := u.OpenReader(ctx, bridge.ReaderSpec{Topic: topic, Queue: 1}, reader); err != nil {
		t.Fatal(err)
	}
	if err := c.Admin.Do(ctx, "DELETE", topicPath(topic)+"?force=true", nil, nil); err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]*events{"consumer": consumer, "reader": reader} {
		select {
		case err := <-e.lost:
			if !errors.Is(err, bridge.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		case <-ctx.Done():
			t.Fatalf("the %s was not told", name)
		}
	}
	if _, err := u.CreateProducer(ctx, bridge.ProducerSpec{Topic: topic}); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("create a producer: %v", err)
	}
}

// TestChunksComeAgain asks for a message in chunks again, all entries of which
// only the client knows.
func TestChunksComeAgain(t *testing.T) {
	c := pulsartest.Shared(t)
	ctx := testContext(t)
	topic := "persistent://" + c.Namespace(t) + "/t"
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL()})
	defer u.Close()
	got := newEvents()
	sub, err := u.Subscribe(ctx, bridge.ConsumerSpec{
		Topic: topic, Subscription: "s", Type: bridge.Shared, Queue: 10, RedeliveryTick: 100 * time.Millisecond,
	}, got)
	if err != nil {
		t.Fatal(err)
	}
	sub.Permit(10)
	p, err := nativeClient(t, c).CreateProducer(pulsar.ProducerOptions{
		Topic: topic, DisableBatching: true, EnableChunking: true, ChunkMaxMessageSize: 100,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	payload := strings.Repeat("0123456789", 100)
	if _, err := p.Send(ctx, &pulsar.ProducerMessage{Payload: []byte(payload)}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		select {
		case m := <-got.messages:
			if string(m.Payload) != payload {
				t.Fatalf("got %d bytes of %d", len(m.Payload), len(payload))
			}
			sub.Redeliver([]codec.MessageID{m.ID})
		case <-ctx.Done():
			t.Fatal("it did not come")
		}
	}
}

// TestAtTheIDOfChunks begins at the id of a message in chunks, which names the last of them, to learn when it was published.
func TestAtTheIDOfChunks(t *testing.T) {
	c := pulsartest.Shared(t)
	ctx := testContext(t)
	topic := "persistent://" + c.Namespace(t) + "/t"
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL()})
	defer u.Close()
	p, err := nativeClient(t, c).CreateProducer(pulsar.ProducerOptions{
		Topic: topic, DisableBatching: true, EnableChunking: true, ChunkMaxMessageSize: 100, CompressionType: pulsar.ZLib,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	random := make([]byte, 1000) // does not become smaller
	_, _ = rand.Read(random)
	for _, payload := range [][]byte{random, []byte("behind")} {
		if _, err := p.Send(ctx, &pulsar.ProducerMessage{Payload: payload}); err != nil {
			t.Fatal(err)
		}
	}
	next := func(spec bridge.ReaderSpec) *codec.Message {
		got := newEvents()
		spec.Topic, spec.Queue = topic, 1
		r, err := u.OpenReader(ctx, spec, got)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		r.Permit(1)
		select {
		case m := <-got.messages:
			return m
		case <-ctx.Done():
			t.Fatal("nothing came")
			return nil
		}
	}
	whole := next(bridge.ReaderSpec{Start: bridge.StartEarliest})
	if len(whole.Payload) != len(random) {
		t.Fatalf("got %d bytes", len(whole.Payload))
	}
	last := next(bridge.ReaderSpec{Start: bridge.StartAtPosition, Position: whole.ID, Inclusive: true, Chunks: true})
	if last.ID != whole.ID || !last.PublishTime.Equal(whole.PublishTime) {
		t.Errorf("published %v, %v at the id %+v of %+v", whole.PublishTime, last.PublishTime, last.ID, whole.ID)
	}
}

// TestV1Topic publishes and consumes with a name of four parts.
func TestV1Topic(t *testing.T) {
	c := pulsartest.Shared(t)
	topic := "persistent://" + c.NamespaceV1(t) + "/t"
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL(), AdminURL: c.AdminURL()})
	defer u.Close()
	roundTrip(t, u, topic)
}

// TestNonPersistentTopic publishes, consumes and reads where nothing is kept.
func TestNonPersistentTopic(t *testing.T) {
	c := pulsartest.Shared(t)
	ctx := testContext(t)
	topic := "non-persistent://" + c.Namespace(t) + "/t"
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL(), AdminURL: c.AdminURL()})
	defer u.Close()
	roundTrip(t, u, topic)
	rd, err := u.OpenReader(ctx, bridge.ReaderSpec{Topic: topic, Queue: 1}, newEvents())
	if err != nil {
		t.Fatal(err)
	}
	last, err := rd.LastPosition(ctx)
	if err != nil || len(last) != 1 || last[0].EntryID != -1 {
		t.Errorf("last position %+v, %v", last, err)
	}
}

// roundTrip sends ten messages to a consumer that acknowledges them, and to a
// reader.
func roundTrip(t *testing.T, u *Upstream, topic string) {
	t.Helper()
	ctx := testContext(t)
	consumer, reader := newEvents(), newEvents()
	sub, err := u.Subscribe(ctx, bridge.ConsumerSpec{Topic: topic, Subscription: "s", Queue: 10, RedeliveryTick: time.Second}, consumer)
	if err != nil {
		t.Fatal(err)
	}
	sub.Permit(100)
	rd, err := u.OpenReader(ctx, bridge.ReaderSpec{Topic: topic, Queue: 10}, reader)
	if err != nil {
		t.Fatal(err)
	}
	rd.Permit(100)
	p, err := u.CreateProducer(ctx, bridge.ProducerSpec{Topic: topic, SendTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		sent := make(sentTo, 1)
		p.Send(&bridge.Outgoing{Payload: fmt.Append(nil, i)}, sent)
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		for name, e := range map[string]*events{"consumer": consumer, "reader": reader} {
			select {
			case m := <-e.messages:
				if string(m.Payload) != fmt.Sprint(i) {
					t.Fatalf("%s: message %d is %q", name, i, m.Payload)
				}
				if e == consumer { // what is acknowledged before it came does not come
					sub.Ack(m.ID)
				}
			case <-ctx.Done():
				t.Fatalf("%s: message %d did not come", name, i)
			}
		}
	}
	sub.Close()
	rd.Close()
}

// TestBrokerRestart stops and starts the broker while there are sessions: all
// of them go on, and what was confirmed arrives.
func TestBrokerRestart(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c, err := pulsartest.Start(ctx, pulsartest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL()})
	defer u.Close()
	const topic = "persistent://public/default/restart"
	consumer, reader := newEvents(), newEvents()
	sub, err := u.Subscribe(ctx, bridge.ConsumerSpec{
		Topic: topic, Subscription: "s", Type: bridge.Shared, Queue: 10, RedeliveryTick: time.Second,
	}, consumer)
	if err != nil {
		t.Fatal(err)
	}
	sub.Permit(10_000)
	rd, err := u.OpenReader(ctx, bridge.ReaderSpec{Topic: topic, Queue: 10}, reader)
	if err != nil {
		t.Fatal(err)
	}
	rd.Permit(10_000)
	p, err := u.CreateProducer(ctx, bridge.ProducerSpec{Topic: topic, SendTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	publish := func(n int) {
		t.Helper()
		for range n {
			sent := make(sentTo, 1)
			p.Send(&bridge.Outgoing{Payload: fmt.Append(nil, next)}, sent)
			if err := <-sent; err != nil {
				t.Fatalf("publish %d: %v", next, err)
			}
			next++
		}
	}
	publish(5)
	if err := c.StopBroker(ctx); err != nil {
		t.Fatal(err)
	}
	await(t, "the producer to say so", func() bool { return p.Check(ctx) != nil })
	start := time.Now()
	if _, err := u.CreateProducer(ctx, bridge.ProducerSpec{Topic: topic}); !errors.Is(err, bridge.ErrUnavailable) {
		t.Errorf("create a producer without a broker: %v", err)
	}
	t.Logf("without a broker it took %s to say so", time.Since(start))
	if err := c.StartBroker(ctx); err != nil {
		t.Fatal(err)
	}
	publish(5)
	if err := p.Check(ctx); err != nil {
		t.Errorf("a producer that publishes is said not to: %v", err)
	}
	for want := 0; want < next; {
		select {
		case m := <-reader.messages:
			if string(m.Payload) != fmt.Sprint(want) {
				t.Fatalf("reader: got %q, want %d", m.Payload, want)
			}
			want++
		case <-ctx.Done():
			t.Fatalf("reader: message %d did not come", want)
		}
	}
	seen := map[string]bool{}
	for len(seen) < next {
		select {
		case m := <-consumer.messages:
			seen[string(m.Payload)] = true
			sub.Ack(m.ID)
		case <-ctx.Done():
			t.Fatalf("consumer: only %v came", seen)
		}
	}
}

// TestZooKeeperLookup finds the cluster by its name in ZooKeeper.
func TestZooKeeperLookup(t *testing.T) {
	c := pulsartest.Shared(t)
	ctx := testContext(t)
	z, err := c.StartZooKeeper(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Stop()
	store := ConfigurationStore{Servers: []string{z.Addr()}, Chroot: "/chroot", Cluster: c.ClusterName(), Timeout: 20 * time.Second}
	if u, err := New(Options{Store: store}); err == nil {
		u.Close()
		t.Error("a cluster was found that is not there")
	} else if text := err.Error(); !strings.Contains(text, "/chroot/admin/clusters/"+c.ClusterName()) || !strings.Contains(text, "no such node") {
		t.Errorf("the error does not help: %v", err)
	}
	data := pulsartest.ClusterData{ServiceURL: c.AdminURL(), BrokerServiceURL: c.BrokerURL()}
	if err := z.SetCluster("/chroot", c.ClusterName(), data); err != nil {
		t.Fatal(err)
	}
	u := newUpstream(t, Options{Store: store})
	defer u.Close()
	if u.admin == nil || u.opts.BrokerServiceURL != c.BrokerURL() {
		t.Errorf("found %q, admin API %v", u.opts.BrokerServiceURL, u.admin)
	}
	roundTrip(t, u, "persistent://"+c.Namespace(t)+"/t")

	// Beside the brokers' own address it tells where the admin API answers.
	own := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL(), Store: store, AdminFromStore: true})
	defer own.Close()
	if own.admin == nil || own.opts.AdminURL != c.AdminURL() || own.opts.ServiceURL != "" {
		t.Errorf("admin API at %q, lookups at %q", own.opts.AdminURL, own.opts.ServiceURL)
	}
	if err := z.SetCluster("/chroot", c.ClusterName(), pulsartest.ClusterData{BrokerServiceURL: c.BrokerURL()}); err != nil {
		t.Fatal(err)
	}
	if u, err := New(Options{BrokerServiceURL: c.BrokerURL(), Store: store, AdminFromStore: true}); err == nil {
		u.Close()
		t.Error("an admin API was found that is not named")
	} else if text := err.Error(); !strings.Contains(text, "/chroot/admin/clusters/"+c.ClusterName()) || !strings.Contains(text, "serviceUrl") {
		t.Errorf("the error does not help: %v", err)
	}
}
