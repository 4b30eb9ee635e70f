//go:build pulsar && linux

package attack

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/log"

	"github.com/pulsegate/pulsegate/conformance"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

// What is fetched ahead, queued, unfinished or held for clients has a bound for each connection and one for all.
var memoryAttacks = slices.Concat([]attack{
	// A message's size is known only when the first has come: a window of them is not yet a bound in bytes.
	{name: "consumers and readers that do not read 300 × 700 KB, broker", broker: true, loads: true, large: true, connections: 16, run: func(h *hostile) error {
		run := pulsar.Name("lazy")
		return h.hold(16, func(i int) string {
			if i >= 8 {
				return "/ws/v2/reader/" + h.Backlog + "?messageId=earliest"
			}
			return fmt.Sprintf("/ws/v2/consumer/%s/%s-%d?subscriptionInitialPosition=Earliest", h.Backlog, run, i)
		})
	}},
	// All but the last byte of a frame of 1 MiB, or all but the last fragment of a message, on very many connections.
	{name: "300 unfinished frames and messages of 1 MiB", connections: 300, run: func(h *hostile) error {
		whole := conformance.Frame{Op: conformance.OpText, Payload: make([]byte, 1<<20-1), Length: 1 << 20}.Bytes()
		pieces := fragments(strings.Repeat(" ", 64<<10), 1<<60)
		var parts []byte
		for n := range uint64(16) {
			parts = pieces(parts, n)
		}
		return h.hold(300, h.producer, whole, parts)
	}},
	// What was published and is not answered is kept until it is.
	unanswered("40 publishers of 700 KB messages", payload(700<<10)),
	// A property of ten bytes takes many times that in memory.
	unanswered("40 publishers of messages with 60,000 properties", properties(60_000)),
},
	// Answers that nobody reads pile up.
	loading(both("publishers, answers unread", 4, func(h *hostile) error {
		long := same(text(`{"payload":"aGk=","context":"%0512d"}`, 1))
		large := same(payload(700 << 10))
		h.floods(stream{target: h.producer(0), send: long, unread: true}, stream{target: h.producer(1), send: long, unread: true},
			stream{target: h.producer(2), send: large, unread: true}, stream{target: h.producer(3), send: large, unread: true})
		return nil
	})),
	// Readers and consumers at the end of a topic that fills, and that read nothing of it. Topics in the process
	// keep what is not acknowledged, up to a limit for all of them.
	loading([]attack{
		{name: "32 readers that do not read a flood", connections: 33, run: unread(32, 0)},
		{name: "16 readers and 16 consumers that do not read a flood, broker", broker: true, connections: 33, run: unread(16, 16)},
	}),
)

// loading marks those attacks that load the broker.
func loading(all []attack) []attack {
	for i := range all {
		all[i].loads = all[i].broker
	}
	return all
}

// unanswered floods with publishes while the broker hangs.
func unanswered(name string, frame []byte) attack {
	const publishers = 40
	return attack{name: name + ", broker hangs", broker: true, hung: true, connections: publishers, last: 3 * time.Second, run: func(h *hostile) error {
		var conns []net.Conn
		for i := range publishers {
			nc, _, err := h.open(h.producer(i % 8))
			if err != nil {
				return err
			}
			conns = append(conns, nc)
		}
		h.begin()
		h.each(len(conns), func(i int) error {
			h.refuse(h.flood(conns[i], same(frame)))
			<-h.ctx.Done() // what has been refused stays so
			return nil
		})
		return nil
	}}
}

// properties is a request to publish a message with n small properties.
func properties(n int) []byte {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`"%x":""`, i)
	}
	return text(`{"payload":"","properties":{%s}}`, strings.Join(list, ","))
}

// payload is a request to publish n random bytes.
func payload(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return text(`{"payload":"%s"}`, base64.StdEncoding.EncodeToString(b))
}

// hold opens sessions, sends one of what is given on each, reads nothing, and holds them.
func (h *hostile) hold(n int, target func(i int) string, sent ...[]byte) error {
	h.begin()
	h.each(n, func(i int) error {
		nc, _, err := h.open(target(i))
		if err != nil {
			return err
		}
		h.did.Add(1)
		if len(sent) > 0 {
			if _, err := nc.Write(sent[i%len(sent)]); err != nil {
				h.drop(nc)
				return err
			}
		}
		<-h.ctx.Done()
		return nil
	})
	return nil
}

func unread(readers, consumers int) func(*hostile) error {
	return func(h *hostile) error {
		for range readers {
			if _, _, err := h.open(h.reader(0)); err != nil {
				return err
			}
		}
		for i := range consumers {
			if _, _, err := h.open(fmt.Sprintf("/ws/v2/consumer/%s/hostile-0/lazy-%d", h.Topics, i)); err != nil {
				return err
			}
		}
		h.floods(stream{target: h.producer(0), send: same(payload(50 << 10))})
		return nil
	}
}

var filled struct {
	sync.Mutex
	topic string
}

// backlog makes a topic with 300 messages of 700 KB, once for all attacks, and returns its path.
func backlog(t *testing.T, c *pulsar.Cluster) string {
	t.Helper()
	filled.Lock()
	defer filled.Unlock()
	if filled.topic != "" {
		return filled.topic
	}
	path := c.Namespace(t) + "/large"
	if err := c.Admin.SetNamespacePolicy(t.Context(), path[:len(path)-len("/large")], "retention",
		map[string]int{"retentionTimeInMinutes": 60, "retentionSizeInMB": 1024}); err != nil {
		t.Fatal(err)
	}
	quiet := log.NewLoggerWithSlog(slog.New(slog.NewTextHandler(io.Discard, nil)))
	cl, err := client.NewClient(client.ClientOptions{URL: c.BrokerURL(), Logger: quiet, OperationTimeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	p, err := cl.CreateProducer(client.ProducerOptions{Topic: "persistent://" + path, DisableBatching: true, MaxPendingMessages: 8})
	if err != nil {
		t.Fatal(err)
	}
	message := make([]byte, 700<<10)
	_, _ = rand.Read(message)
	var failed atomic.Pointer[error]
	for range 300 {
		p.SendAsync(t.Context(), &client.ProducerMessage{Payload: message}, func(_ client.MessageID, _ *client.ProducerMessage, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
	}
	if err := p.FlushWithCtx(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := failed.Load(); err != nil {
		t.Fatalf("fill a topic: %v", *err)
	}
	filled.topic = "persistent/" + path
	return filled.topic
}
