package pulsar

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// TestPartitions publishes to all partitions, by key and without, and to those that are added.
func TestPartitions(t *testing.T) {
	b := fakebroker.Start(t)
	b.Partitions.Store(4)
	c := newClient(t, Options{ServiceURL: b.URL(), ConnectionsPerBroker: 2})
	p := openPublisher(t, c, ProducerOptions{Topic: topic}, Routing{RoundRobin: true})
	l := newLedger(t)
	for i := range 40 {
		l.send(p, text(i))
	}
	for i, key := range []string{"", "a", "ä€😀", "a"} {
		l.sendMessage(p, key+text(40+i), &Message{Payload: []byte(key), Key: key, HasKey: true})
	}
	l.wait()
	part := func(i int) string { return topic + "-partition-" + string(rune('0'+i)) }
	keys := map[string]int{}
	for i := range 4 {
		stored := b.Stored(part(i))
		plain := 0
		for _, m := range stored {
			if strings.HasPrefix(m.Payload, "message") {
				plain++
			} else if at, ok := keys[m.Payload]; ok && at != i {
				t.Errorf("key %q is in two partitions", m.Payload)
			} else {
				keys[m.Payload] = i
			}
		}
		if plain != 10 {
			t.Errorf("partition %d has %d", i, plain)
		}
	}
	// What Java's hashCode gives, without its sign: 0, 97 and 7337892 (see TestJavaStringHash).
	if keys[""] != 0 || keys["a"] != 97%4 {
		t.Errorf("partitions of keys: %v", keys)
	}
	for text, id := range l.ids {
		if id.Partition < 0 || id.Partition > 3 {
			t.Errorf("%s: %+v", text, id)
		}
	}
	if n := len(b.Conns()); n != 2 {
		t.Errorf("%d connections", n)
	}
	b.Partitions.Store(6)
	p.(*partitioned).discover()
	more := 0
	for deadline := time.Now().Add(patience); len(b.Stored(part(5))) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nothing is published to what was added")
		}
		l.send(p, text(1000+more))
		more++
		l.wait()
	}
	closed := make(chan struct{})
	p.Close(func() { close(closed) })
	receive(t, "the end", closed)
}

// TestPartitionsRefused has one partition that is refused: the others are closed.
func TestPartitionsRefused(t *testing.T) {
	b := fakebroker.Start(t)
	b.Partitions.Store(3)
	closed := make(chan struct{}, 10)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.Producer:
			if strings.HasSuffix(cmd.Topic, "-1") {
				c.Send(&wire.Error{RequestID: cmd.RequestID, Error: wire.AuthorizationError})
				return fakebroker.Ignore
			}
		case *wire.CloseProducer:
			closed <- struct{}{}
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	w := newWatcher()
	c.OpenPublisher(ProducerOptions{Topic: topic}, Routing{}, w)
	var e *Error
	if err := receive(t, "an answer", w.opened); !errors.As(err, &e) || e.Code != wire.AuthorizationError || w.pub != nil {
		t.Error(err)
	}
	for range 3 { // the one that was refused is let go, too
		receive(t, "CLOSE_PRODUCER", closed)
	}
}

// TestJavaStringHash compares with what Java gives.
func TestJavaStringHash(t *testing.T) {
	for s, want := range map[string]uint32{"": 0, "a": 97, "hello": 99162322, "polygenelubricants": 0, "ä€😀": 0x7fffffff & javaHash("ä€😀")} {
		if got := javaStringHash(s); got != want {
			t.Errorf("%q: %d, not %d", s, got, want)
		}
	}
}

// javaHash is String.hashCode as the Java documentation has it, for UTF-16 units written out by hand.
func javaHash(s string) (h uint32) {
	units := map[string][]uint32{"ä€😀": {0xe4, 0x20ac, 0xd83d, 0xde00}}
	for _, u := range units[s] {
		h = 31*h + u
	}
	return h
}

// TestRouting picks as the Java client does.
func TestRouting(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	one := newRouter(Routing{}, &ProducerOptions{})
	chosen := map[int]bool{}
	for range 64 {
		s := newSender(nil, 2)
		same := one.pick(s, &Message{}, 2, now)
		chosen[same] = true
		for range 3 { // also when there are more partitions
			if got := one.pick(s, &Message{}, 7, now); got != same {
				t.Fatalf("%d, then %d", same, got)
			}
		}
	}
	if len(chosen) != 2 {
		t.Errorf("64 senders chose %v", chosen)
	}
	murmur := newRouter(Routing{Murmur3: true}, &ProducerOptions{})
	if got := murmur.pick(newSender(nil, 1), &Message{Key: "hello", HasKey: true}, 1<<30, now); got != 0x248bfa47%(1<<30) {
		t.Errorf("murmur3: %x", got)
	}
	// In batches, a partition is kept for ten times the delay.
	s := newSender(nil, 4)
	batches := newRouter(Routing{RoundRobin: true}, &ProducerOptions{Batching: true, BatchDelay: 5 * time.Millisecond})
	first := batches.pick(s, &Message{}, 4, now)
	if got := batches.pick(s, &Message{}, 4, now.Add(49*time.Millisecond)); got != first {
		t.Errorf("%d, then %d within 50 ms", first, got)
	}
	if got := batches.pick(s, &Message{}, 4, now.Add(50*time.Millisecond)); got != (first+1)%4 {
		t.Errorf("%d, then %d after 50 ms", first, got)
	}
	// Each sender takes turns by itself.
	turns, other := newRouter(Routing{RoundRobin: true}, &ProducerOptions{}), newSender(nil, 4)
	used := map[int]bool{}
	for range 4 {
		used[turns.pick(s, &Message{}, 4, now)] = true
		turns.pick(other, &Message{}, 4, now)
	}
	if len(used) != 4 {
		t.Errorf("a sender used partitions %v", used)
	}
}
