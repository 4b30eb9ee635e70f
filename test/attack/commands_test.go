//go:build pulsar && linux

package attack

import (
	"fmt"
	"slices"

	"github.com/pulsegate/pulsegate/bench/wire"
	"github.com/pulsegate/pulsegate/codec"
)

// A command that makes the gateway remember or send something must have a bound, at which its socket is not read any more.
var commandAttacks = slices.Concat(
	// Each is remembered until its delay is over, which is never.
	lasting(both("negative acknowledgements of made-up ids, pull mode", 1, func(h *hostile) error {
		query := "?subscriptionType=Shared&pullMode=true&negativeAckRedeliveryDelay=" + largest
		h.floods(stream{target: h.consumer(0) + query, send: madeUp("negativeAcknowledge")})
		return nil
	})),
	// Each waits until the broker has taken it. One that hangs takes none.
	lasting(both("acknowledgements of made-up ids", 1, func(h *hostile) error {
		h.floods(stream{target: h.consumer(0) + "?subscriptionType=Shared", send: madeUp("ack")})
		return nil
	})),
	lasting([]attack{{name: "acknowledgements of made-up ids, broker hangs", broker: true, hung: true, connections: 1, run: func(h *hostile) error {
		nc, _, err := h.open(h.consumer(0) + "?subscriptionType=Shared")
		if err != nil {
			return err
		}
		h.begin()
		h.refuse(h.flood(nc, madeUp("ack")))
		return nil
	}}}),
	// Permits add up to more than a number holds. Negative acknowledgements in push mode free a place in the window each.
	[]attack{{name: "permits of 2147483647, negative acknowledgements", connections: 2, run: func(h *hostile) error {
		h.floods(stream{target: h.consumer(0) + "?pullMode=true", send: same(text(`{"type":"permit","permitMessages":%s}`, largest))},
			stream{target: h.consumer(1) + "?subscriptionType=Shared", send: madeUp("negativeAcknowledge")})
		return nil
	}}},
	// Each asks the broker, and each has an answer, which may not be read. The topics are empty, that is, read to their ends.
	asking(both("isEndOfTopic in a loop", 40, func(h *hostile) error {
		var streams []stream
		for i := range 40 {
			target := h.reader(i % 8)
			if i%2 == 0 {
				target = fmt.Sprintf("%s-%d", h.consumer(i%8), i)
			}
			streams = append(streams, stream{target: target, send: same(text(`{"type":"isEndOfTopic"}`)), unread: i%4 < 2})
		}
		h.floods(streams...)
		return nil
	})),
	// A subscription is made and deleted again, over and over, and deleted many times.
	both("unsubscribe in a loop", 4, func(h *hostile) error {
		h.begin()
		leave := text(`{"type":"unsubscribe"}`)
		h.each(4, func(i int) error {
			return h.visit(h.consumer(i)+"?subscriptionType=Shared", leave, leave, leave)
		})
		return nil
	}),
)

// both is an attack on a gateway with topics of its own, and on one with a broker.
func both(name string, connections int, run func(*hostile) error) []attack {
	return []attack{
		{name: name, connections: connections, run: run},
		{name: name + ", broker", broker: true, connections: connections, run: run},
	}
}

// lasting makes attacks last for longer: those that fill memory bit by bit, and those that are long in coming.
func lasting(all []attack) []attack {
	for i := range all {
		all[i].last = 2 * attackFor
	}
	return all
}

// asking makes attacks last, and marks those that only ask.
func asking(all []attack) []attack {
	for i := range lasting(all) {
		all[i].asks = true
	}
	return all
}

// same sends one frame again and again.
func same(frame []byte) sender {
	return func(dst []byte, _ uint64) []byte { return append(dst, frame...) }
}

// madeUp sends commands with ids that no message has, another each time.
func madeUp(kind string) sender {
	head := fmt.Appendf(nil, `{"type":%q,"messageId":"`, kind)
	return func(dst []byte, n uint64) []byte {
		start := len(dst)
		dst = append(wire.Begin(dst), head...)
		dst = codec.MessageID{LedgerID: 1 << 40, EntryID: int64(n), Partition: -1, BatchIndex: -1}.AppendText(dst)
		return wire.End(append(dst, `"}`...), start, wire.Text, uint32(n))
	}
}
