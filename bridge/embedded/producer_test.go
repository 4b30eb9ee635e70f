package embedded

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

func TestUnknownNames(t *testing.T) {
	u := start(t, Options{})
	ctx := context.Background()
	for topic, kind := range map[string]error{
		"persistent://nobody/default/t": bridge.ErrNotFound,
		"persistent://public/nowhere/t": bridge.ErrNotFound,
		"other://public/default/t":      bridge.ErrInvalid,
		"persistent://public/default":   bridge.ErrInvalid,
		"persistent://public//t":        bridge.ErrInvalid,
		"t":                             bridge.ErrInvalid,
	} {
		_, err := u.CreateProducer(ctx, bridge.ProducerSpec{Topic: topic})
		wantKind(t, err, kind)
		_, err = u.Subscribe(ctx, bridge.ConsumerSpec{Topic: topic, Subscription: "s"}, newInbox(t))
		wantKind(t, err, kind)
		_, err = u.OpenReader(ctx, bridge.ReaderSpec{Topic: topic}, newInbox(t))
		wantKind(t, err, kind)
		_, err = u.Partitions(ctx, topic, "")
		wantKind(t, err, kind)
	}
	for _, topic := range []string{"persistent://sample/standalone/ns1/t", "persistent://my-property/us-west/my-ns/a/b", "persistent://any/cluster/ns/t", "persistent://public/default/t"} {
		produce(t, u, bridge.ProducerSpec{Topic: topic}).send("x")
	}
	if err := u.CreateTenant("acme"); err != nil {
		t.Fatal(err)
	}
	if err := u.CreateNamespace("acme/shop"); err != nil {
		t.Fatal(err)
	}
	produce(t, u, bridge.ProducerSpec{Topic: "persistent://acme/shop/t"}).send("x")
	wantKind(t, u.CreateNamespace("acme/shop"), bridge.ErrBusy)
	wantKind(t, u.CreateNamespace("nobody/shop"), bridge.ErrNotFound)
	wantKind(t, u.CreateTenant("acme"), bridge.ErrBusy)
}

func TestProducerNames(t *testing.T) {
	u := start(t, Options{})
	spec := bridge.ProducerSpec{Topic: testTopic, Name: "p"}
	p := produce(t, u, spec)
	_, err := u.CreateProducer(context.Background(), spec)
	wantKind(t, err, bridge.ErrBusy)
	p.Close()
	_, err = p.try(&bridge.Outgoing{})
	wantKind(t, err, bridge.ErrClosed)
	produce(t, u, spec).send("x")
	produce(t, u, bridge.ProducerSpec{}).send("x")
	produce(t, u, bridge.ProducerSpec{}).send("x")
}

func TestMessageFields(t *testing.T) {
	u := start(t, Options{})
	c := subscribe(t, u, bridge.ConsumerSpec{}, 10)
	event := time.Date(2020, 1, 2, 3, 4, 5, 678e6, time.UTC)
	p := produce(t, u, bridge.ProducerSpec{})
	p.sendMessage(&bridge.Outgoing{Payload: []byte("x"), Key: "", HasKey: true, EventTime: event, Properties: map[string]string{"a": "1"}})
	m := c.next()
	if !m.HasKey || m.Key != "" || !m.EventTime.Equal(event) || m.Properties["a"] != "1" || m.ID.Topic != "" || m.ID.Partition != -1 || m.ID.BatchIndex != -1 {
		t.Errorf("got %+v", m)
	}
}

func TestTooBig(t *testing.T) {
	u := start(t, Options{})
	p := produce(t, u, bridge.ProducerSpec{})
	_, err := p.try(&bridge.Outgoing{Payload: make([]byte, maxMessage+1)})
	wantKind(t, err, bridge.ErrTooBig)
	p.sendMessage(&bridge.Outgoing{Payload: make([]byte, maxMessage)})
}

func TestTermination(t *testing.T) {
	u := start(t, Options{})
	ctx := context.Background()
	p := produce(t, u, bridge.ProducerSpec{})
	c := subscribe(t, u, bridge.ConsumerSpec{}, 1)
	r := read(t, u, bridge.ReaderSpec{}, 10)
	ids := p.send("a", "b")
	c.take("a")
	r.take("a", "b")
	end := func(x interface {
		EndOfTopic(context.Context) (bool, error)
	}, want bool) {
		t.Helper()
		if got, err := x.EndOfTopic(ctx); err != nil || got != want {
			t.Errorf("end of topic %t, %v, want %t", got, err, want)
		}
	}
	end(c, false)
	end(r, false)
	id, err := u.Terminate(testTopic)
	if err != nil || id != ids[1] {
		t.Errorf("terminated at %+v, %v, want %+v", id, err, ids[1])
	}
	end(c, false)
	end(r, true)
	_, err = p.try(&bridge.Outgoing{})
	wantKind(t, err, bridge.ErrTerminated)
	_, err = u.CreateProducer(ctx, bridge.ProducerSpec{Topic: testTopic})
	wantKind(t, err, bridge.ErrTerminated)
	c.Permit(1)
	b := c.take("b")[0]
	end(c, false)
	c.Ack(ids[0])
	c.ack(b)
	end(c, true)
}

func TestEndOfTopicOfSharedMembers(t *testing.T) {
	u := start(t, Options{})
	ctx := context.Background()
	spec := bridge.ConsumerSpec{Type: bridge.Shared}
	a := subscribe(t, u, spec, 1)
	produce(t, u, bridge.ProducerSpec{}).send("x")
	m := a.take("x")[0]
	b := subscribe(t, u, spec, 1)
	if _, err := u.Terminate(testTopic); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{false, true} {
		if got, err := b.EndOfTopic(ctx); err != nil || got != want {
			t.Errorf("end of topic %t, %v, want %t", got, err, want)
		}
		a.ack(m)
	}
}

func TestBatches(t *testing.T) {
	u := start(t, Options{})
	c := subscribe(t, u, bridge.ConsumerSpec{Type: bridge.Shared}, 100)
	p := produce(t, u, bridge.ProducerSpec{Batching: true, BatchingMaxPending: 3, BatchingMaxDelay: time.Hour})
	answers := make(answerChan, 10)
	for _, s := range numbers(0, 4) {
		p.Send(&bridge.Outgoing{Payload: []byte(s)}, answers)
	}
	var ids []codec.MessageID
	for range 3 {
		ids = append(ids, (<-answers).id)
	}
	for i, id := range ids {
		if id.EntryID != 0 || id.BatchIndex != int32(i) || id.BatchSize != 3 {
			t.Errorf("message %d is %+v", i, id)
		}
	}
	ms := c.take("0", "1", "2")
	c.ack(ms[0], ms[2])
	if n := backlog(t, u, testTopic, "s"); n != 1 {
		t.Errorf("backlog %d while one message of the entry is not acknowledged, want 1", n)
	}
	c.Redeliver([]codec.MessageID{{LedgerID: ids[0].LedgerID, EntryID: 0, Partition: -1, BatchIndex: -1}})
	c.take("1")
	c.Ack(codec.MessageID{LedgerID: ids[0].LedgerID, EntryID: 0, Partition: -1, BatchIndex: -1})
	if n := backlog(t, u, testTopic, "s"); n != 0 {
		t.Errorf("backlog %d, want 0", n)
	}
	p.Close()
	if a := <-answers; a.err != nil || a.id.EntryID != 1 || a.id.BatchSize != 1 {
		t.Errorf("Close answered %+v, %v", a.id, a.err)
	}
	c.take("3")
}

func TestBatchDelay(t *testing.T) {
	u := start(t, Options{})
	c := subscribe(t, u, bridge.ConsumerSpec{}, 100)
	p := produce(t, u, bridge.ProducerSpec{Batching: true, BatchingMaxDelay: time.Millisecond})
	p.send("x")
	c.take("x")
}

func TestCloseAnswersOpenBatch(t *testing.T) {
	u := New(Options{})
	p := produce(t, u, bridge.ProducerSpec{Batching: true, BatchingMaxDelay: time.Hour})
	answers := make(answerChan, 1)
	p.Send(&bridge.Outgoing{}, answers)
	u.Close()
	select {
	case <-answers:
	default:
		t.Error("the publish is not answered when Close returns")
	}
	_, err := p.try(&bridge.Outgoing{})
	wantKind(t, err, bridge.ErrClosed)
	wantKind(t, u.Ready(context.Background()), bridge.ErrClosed)
	p.Close()
	u.Close()
}

// hashed is where Pulsar's Java client puts these keys on a topic of 8
// partitions, found by running it.
var hashed = struct {
	keys         []string
	java, murmur []int32
}{
	[]string{"a", "b", "key-1", "key-2", "key-3", "order:4711", "ü", "😀", "", "a longer key with spaces"},
	[]int32{1, 2, 3, 4, 5, 7, 4, 3, 0, 6},
	[]int32{2, 3, 0, 4, 2, 2, 2, 2, 0, 5},
}

func TestKeyedPartitions(t *testing.T) {
	u := start(t, Options{})
	if err := u.CreatePartitionedTopic(testTopic, 8); err != nil {
		t.Fatal(err)
	}
	for scheme, want := range map[bridge.HashingScheme][]int32{bridge.JavaStringHash: hashed.java, bridge.Murmur3: hashed.murmur} {
		p := produce(t, u, bridge.ProducerSpec{HashingScheme: scheme, Routing: bridge.RoundRobinPartition})
		var got []int32
		for _, key := range hashed.keys {
			got = append(got, p.sendKeyed(key, "x").Partition)
		}
		if !slices.Equal(got, want) {
			t.Errorf("scheme %d: partitions %v, want %v", scheme, got, want)
		}
	}
}

// The hash of "polygenelubricants" is -2^31 in Java: its sign bit is cleared, it is not negated.
func TestHashSign(t *testing.T) {
	if h := keyHash(bridge.JavaStringHash, "polygenelubricants"); h != 0 {
		t.Errorf("hash %d, want 0", h)
	}
}

func TestPartitionRouting(t *testing.T) {
	u := start(t, Options{})
	if err := u.CreatePartitionedTopic(testTopic, 3); err != nil {
		t.Fatal(err)
	}
	wantKind(t, u.CreatePartitionedTopic(testTopic, 3), bridge.ErrBusy)
	count := func(p *sender) map[int32]int {
		n := map[int32]int{}
		for _, id := range p.send(numbers(0, 9)...) {
			n[id.Partition]++
		}
		return n
	}
	if n := count(produce(t, u, bridge.ProducerSpec{Routing: bridge.RoundRobinPartition})); fmt.Sprint(n) != "map[0:3 1:3 2:3]" {
		t.Errorf("round robin: %v", n)
	}
	if n := count(produce(t, u, bridge.ProducerSpec{})); len(n) != 1 {
		t.Errorf("single partition: %v", n)
	}
	ids, err := read(t, u, bridge.ReaderSpec{}, 0).LastPosition(context.Background())
	if err != nil || len(ids) != 3 {
		t.Fatalf("last positions %v, %v", ids, err)
	}
	for i, id := range ids {
		if id.Partition != int32(i) || id.EntryID < 2 {
			t.Errorf("last position %d is %+v", i, id)
		}
	}
}

func TestPartitionedConsume(t *testing.T) {
	u := start(t, Options{})
	if err := u.CreatePartitionedTopic(testTopic, 4); err != nil {
		t.Fatal(err)
	}
	c := subscribe(t, u, bridge.ConsumerSpec{}, 5)
	p := produce(t, u, bridge.ProducerSpec{Routing: bridge.RoundRobinPartition})
	p.send(numbers(0, 20)...)
	settle(t, u)
	if len(c.got) != 5 {
		t.Errorf("%d messages for 5 permits", len(c.got))
	}
	c.Permit(95)
	c.ack(c.takeAny(numbers(0, 20)...)...)
	if n := backlog(t, u, testTopic, "s"); n != 0 {
		t.Errorf("backlog %d, want 0", n)
	}
	one := subscribe(t, u, bridge.ConsumerSpec{Topic: names.PartitionName(testTopic, 2), Subscription: "other"}, 5)
	id := produce(t, u, bridge.ProducerSpec{Topic: names.PartitionName(testTopic, 2)}).send("x")[0]
	if m := one.take("x")[0]; m.ID != id || id.Partition != 2 {
		t.Errorf("partition as a topic: %+v, published as %+v", m.ID, id)
	}
	c.take("x")
}

func TestNonPersistent(t *testing.T) {
	const topic = "non-persistent://public/default/t"
	u := start(t, Options{})
	p := produce(t, u, bridge.ProducerSpec{Topic: topic})
	p.send("nobody there")
	for _, typ := range []bridge.SubscriptionType{bridge.Exclusive, bridge.Shared, bridge.Failover, bridge.KeyShared} {
		c := subscribe(t, u, bridge.ConsumerSpec{Topic: topic, Type: typ, Earliest: true}, 2)
		r := read(t, u, bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest}, 1)
		p.send("0", "1", "dropped")
		ms := c.take("0", "1")
		if ms[0].ID.Compare(ms[1].ID) >= 0 {
			t.Errorf("%+v is not before %+v", ms[0].ID, ms[1].ID)
		}
		r.take("0")
		c.ack(ms[0])
		c.nack(ms[1])
		c.Permit(1)
		p.send("2")
		c.take("2")
		c.Close()
		r.Close()
	}
}
