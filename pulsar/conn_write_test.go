package pulsar

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

type unheard struct{}

func (unheard) Sent(MessageID, error) {}

// A producer that always has more to send than there is room for leaves some to the
// others on its connection.
func TestRoomIsShared(t *testing.T) {
	client, err := New(Options{ServiceURL: "pulsar://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c := newConn(client, connKey{to: broker{host: "127.0.0.1:1"}})
	c.state, c.maxMessage = connUp, 5<<20
	open := func(id uint64) *Producer {
		return &Producer{client: client, o: ProducerOptions{MaxPending: 100_000}, state: producerOpen, connected: true, on: c, id: id}
	}
	send := func(p *Producer, n int) {
		for range n {
			p.Send(&Message{Payload: make([]byte, 100<<10)}, unheard{})
		}
	}
	busy, other := open(1), open(2)
	send(busy, 40)
	send(other, 1)
	var parts []part
	for round := 0; other.queue.sent == 0; round++ {
		if round == 10 {
			t.Fatalf("%d messages of the busy one were sent and none of the other", busy.queue.sent)
		}
		c.mu.Lock()
		c.out.recycle(parts)
		parts = c.out.take(parts)
		thirsty := c.thirsty
		c.thirsty = nil
		c.mu.Unlock()
		c.quench(thirsty)
		send(busy, 11)
	}
}

// A broker that takes what is sent slowly, but takes it, keeps its connection; one that
// takes nothing loses it.
func TestSlowBrokerKeepsItsConnection(t *testing.T) {
	const keepAlive = 500 * time.Millisecond
	client, err := New(Options{ServiceURL: "pulsar://127.0.0.1:1", KeepAlive: keepAlive})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c := newConn(client, connKey{to: broker{host: "127.0.0.1:1"}})
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	const bites, bite = 12, 1 << 10
	read := make(chan error, 1)
	go func() {
		pace := time.NewTicker(keepAlive / 5)
		defer pace.Stop()
		b := make([]byte, bite)
		for range bites {
			<-pace.C
			if _, err := io.ReadFull(far, b); err != nil {
				read <- err
				return
			}
		}
		read <- nil
	}()
	if err := c.put(near, net.Buffers{make([]byte, bites*bite/2), make([]byte, bites*bite/2)}); err != nil {
		_ = near.Close() // the reader waits for the rest
		t.Error(err)
	}
	if err := <-read; err != nil {
		t.Error(err)
	}
	if err := c.put(near, net.Buffers{make([]byte, 1)}); err == nil {
		t.Error("a broker that takes nothing keeps its connection")
	}
}

// What a consumer says of an entry that nobody can read is not lost for what else waits to be written.
func TestDiscardBesideAFullOutbox(t *testing.T) {
	client := newClient(t, Options{ServiceURL: "pulsar://127.0.0.1:1"})
	c := newConn(client, connKey{to: broker{host: "127.0.0.1:1"}})
	c.state = connUp
	for c.out.bytes <= 2*outboxRoom+wire.FramePadding {
		c.out.command(&wire.Ping{})
	}
	x := &Consumer{client: client, o: &ConsumerOptions{}, topic: topic, state: consumerOpen, connected: true, on: c}
	before := c.out.bytes
	x.mu.Lock()
	x.discardLocked(&unpacker{}, faulty(wire.ChecksumMismatch, io.ErrUnexpectedEOF))
	x.mu.Unlock()
	if c.out.bytes == before {
		t.Error("the broker is not told")
	}
}
