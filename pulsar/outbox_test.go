package pulsar

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// TestOutbox queues messages and commands of all sizes, takes them out now and then, and reads the
// stream that results.
func TestOutbox(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var o outbox
	var parts []part
	var stream []byte
	var payloads [][]byte
	commands := 0
	for range 3000 {
		switch r.IntN(20) {
		case 0:
			parts = o.take(parts)
			for _, p := range parts {
				stream = append(stream, p.b...)
			}
			if o.bytes != 0 {
				t.Fatalf("%d bytes are left", o.bytes)
			}
			o.recycle(parts)
		case 1:
			o.command(&wire.Ping{})
			commands++
		default:
			payload := make([]byte, r.IntN(1<<r.IntN(18)))
			for i := range payload {
				payload[i] = byte(len(payloads))
			}
			ok := o.message(&wire.Send{SequenceID: uint64(len(payloads))}, &wire.Metadata{ProducerName: "p"}, payload, nil, 100_000)
			if ok != (len(payload) < 99_900) {
				if len(payload) < 99_900 || len(payload) > 100_000 {
					t.Fatalf("%d bytes: %t", len(payload), ok)
				}
			}
			if ok {
				payloads = append(payloads, payload)
			}
		}
	}
	for _, p := range o.take(nil) {
		stream = append(stream, p.b...)
	}
	for i := 0; len(stream) > 0; {
		f, n, err := wire.Next(stream, 1<<20)
		if err != nil || n > len(stream) {
			t.Fatal(err, n)
		}
		stream = stream[n:]
		if f.Type == wire.TypePing {
			commands--
			continue
		}
		var s wire.Send
		e, err := wire.ParseEntry(f.Rest)
		if err != nil || e.Check() != nil || wire.ParseSend(f.Body, &s) != nil || s.SequenceID != uint64(i) || !bytes.Equal(e.Payload, payloads[i]) {
			t.Fatalf("message %d is %d, %d bytes: %v, %v", i, s.SequenceID, len(e.Payload), err, e.Check())
		}
		i++
	}
	if commands != 0 {
		t.Errorf("%d commands are missing", commands)
	}
}

// TestOutboxMemory needs none once it runs, for small messages and large ones.
func TestOutboxMemory(t *testing.T) {
	for _, size := range []int{100, byReference, 1 << 20} {
		var o outbox
		var parts []part
		payload := make([]byte, size)
		m := &wire.Metadata{ProducerName: "p"}
		n := testing.AllocsPerRun(20, func() {
			for !o.isFull() {
				o.message(&wire.Send{}, m, payload, nil, 2<<20)
			}
			parts = o.take(parts)
			o.recycle(parts)
		})
		if n > 0 {
			t.Errorf("%d bytes: %v allocations", size, n)
		}
	}
}
