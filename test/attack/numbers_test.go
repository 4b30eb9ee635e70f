//go:build pulsar && linux

package attack

import (
	"bufio"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/pulsegate/pulsegate/bench/wire"
	"github.com/pulsegate/pulsegate/codec"
)

const (
	largest = "2147483647" // that the Java proxy takes
	large   = "100000000"
)

// A number of a client's must not become a size, a capacity, a timer or a count before it is bounded.
var numberAttacks = []attack{
	// What waits for a batch is bounded by a channel or a list of that length: room for it is made at once.
	{name: "maxPendingMessages=2147483647 with batching, broker", broker: true, connections: 4, run: batching(largest)},
	{name: "maxPendingMessages=100000000 with batching, broker", broker: true, connections: 4, run: batching(large)},
	// Every other number in a URL, one by one and all together. Numbers in frames: permits that overflow when they are added
	// up, times beyond the calendar, batches of 2147483647 messages of which a set of bits would be kept.
	{name: "numbers at their extremes", connections: 4, run: extremes},
	{name: "numbers at their extremes, broker", broker: true, connections: 4, run: extremes},
}

// text is one text frame of a client.
func text(format string, args ...any) []byte {
	return wire.AppendFrame(nil, wire.Text, fmt.Appendf(nil, format, args...), 0x5a5a5a5a)
}

// visit opens a session, sends frames, reads what comes for a moment, and leaves.
func (h *hostile) visit(target string, frames ...[]byte) error {
	nc, r, err := h.open(target)
	if err != nil {
		return err
	}
	defer h.drop(nc)
	h.did.Add(1)
	for _, f := range frames {
		if _, err := nc.Write(f); err != nil {
			break // it was closed for an earlier one
		}
	}
	h.listen(nc, r, 20*time.Millisecond)
	return nil
}

// listen reads and forgets what comes within a time.
func (h *hostile) listen(nc net.Conn, r *bufio.Reader, d time.Duration) {
	_ = nc.SetReadDeadline(time.Now().Add(d))
	for {
		if _, err := r.Discard(1); err != nil {
			return
		}
	}
}

func (h *hostile) producer(i int) string {
	return fmt.Sprintf("/ws/v2/producer/%s/hostile-%d", h.Topics, i)
}

func (h *hostile) consumer(i int) string {
	return fmt.Sprintf("/ws/v2/consumer/%s/hostile-%d/sub-%d", h.Topics, i, i)
}

func (h *hostile) reader(i int) string {
	return fmt.Sprintf("/ws/v2/reader/%s/hostile-%d", h.Topics, i)
}

func batching(pending string) func(*hostile) error {
	return func(h *hostile) error {
		h.begin()
		h.each(4, func(i int) error {
			return h.visit(h.producer(i)+"?batchingEnabled=true&maxPendingMessages="+pending, text(`{"payload":"aGk="}`))
		})
		return nil
	}
}

func extremes(h *hostile) error {
	var visits []func(i int) error
	add := func(path func(i int) string, names ...string) {
		all := "?"
		for _, name := range names {
			for _, value := range []string{largest, "0", "1"} {
				query := "?batchingEnabled=true&maxRedeliverCount=1&" + name + "=" + value
				// To a consumer this is an acknowledgement.
				visits = append(visits, func(i int) error { return h.visit(path(i)+query, text(`{"payload":"aGk=","messageId":"CAUQADAA"}`)) })
			}
			all += name + "=" + largest + "&"
		}
		visits = append(visits, func(i int) error { return h.visit(path(i)+all, text(`{"payload":"aGk=","messageId":"CAUQADAA"}`)) })
	}
	add(h.producer, "sendTimeoutMillis", "batchingMaxMessages", "batchingMaxPublishDelay")
	add(h.consumer, "receiverQueueSize", "ackTimeoutMillis", "priorityLevel", "negativeAckRedeliveryDelay", "maxRedeliverCount")
	add(h.reader, "receiverQueueSize")
	published, commanded := extremeFrames()
	visits = append(visits, func(i int) error {
		return h.visit(fmt.Sprintf("%s-sequence?producerName=p%d&initialSequenceId=9223372036854775807", h.producer(i), i), published...)
	})
	for range 4 {
		visits = append(visits, func(i int) error { return h.visit(h.producer(i), published...) },
			func(i int) error {
				return h.visit(h.consumer(i)+"?pullMode=true&negativeAckRedeliveryDelay="+largest, commanded...)
			},
			func(i int) error { return h.visit(h.consumer(i)+"-shared?subscriptionType=Shared", commanded...) })
	}
	h.begin()
	at := make([]int, 4)
	h.each(len(at), func(i int) error {
		at[i]++
		return visits[(at[i]*len(at)+i)%len(visits)](i)
	})
	return nil
}

// extremeFrames are frames with numbers that no one means, to a producer and to a consumer.
func extremeFrames() (published, commanded [][]byte) {
	for _, n := range []string{"9223372036854775807", "-9223372036854775808", "1e308", "99999999999999999999999999"} {
		for _, field := range []string{"deliverAt", "deliverAfterMs", "context"} {
			published = append(published, text(`{"payload":"aGk=",%q:%s}`, field, n))
		}
	}
	published = append(published, text(`{"payload":"aGk=","eventTime":"9999-12-31T23:59:59.999Z"}`))
	for range 3 {
		commanded = append(commanded, text(`{"type":"permit","permitMessages":%s}`, largest),
			text(`{"type":"permit","permitMessages":9223372036854775807}`))
	}
	for _, id := range []codec.MessageID{
		{LedgerID: 1, EntryID: 1, Partition: -1, BatchIndex: math.MaxInt32 - 1, BatchSize: math.MaxInt32},
		{LedgerID: 1, EntryID: 2, Partition: -1, BatchIndex: 1, BatchSize: math.MaxInt32},
		{LedgerID: math.MaxInt64, EntryID: math.MaxInt64, Partition: -1, BatchIndex: -1},
		{LedgerID: 1, EntryID: 3, Partition: math.MaxInt32, BatchIndex: -1},
	} {
		text64 := id.AppendText(nil)
		commanded = append(commanded, text(`{"messageId":"%s"}`, text64), text(`{"type":"negativeAcknowledge","messageId":"%s"}`, text64))
	}
	return published, commanded
}
