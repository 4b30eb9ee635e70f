//go:build pulsar && linux

package attack

import (
	"fmt"
	"strings"

	"github.com/pulsegate/pulsegate/bench/wire"
	"github.com/pulsegate/pulsegate/conformance"
)

// The work that frames and their JSON make is bounded, and fair among sessions.
var frameAttacks = []attack{
	// A ping has to be answered, whether the answers are read or not.
	{name: "floods of pings", connections: 4, run: func(h *hostile) error {
		ping := same(wire.AppendFrame(nil, wire.Ping, make([]byte, 125), 1))
		h.floods(stream{target: h.producer(0), send: ping}, stream{target: h.consumer(1), send: ping},
			stream{target: h.producer(2), send: ping, unread: true}, stream{target: h.consumer(3), send: ping, unread: true})
		return nil
	}},
	// A message in pieces of one byte each, up to the limit. One in pieces of nothing never comes to the limit.
	{name: "messages in fragments of one byte, and of none", connections: 4, run: func(h *hostile) error {
		one := fragments(" ", 1<<20)
		none := fragments("", 1<<60)
		h.floods(stream{target: h.producer(0), send: one}, stream{target: h.consumer(1), send: one},
			stream{target: h.producer(2), send: none}, stream{target: h.reader(3), send: none})
		return nil
	}},
	// Each is refused with an answer that is longer than it.
	{name: "frames of one byte", connections: 4, run: func(h *hostile) error {
		one := same(text("1"))
		h.floods(stream{target: h.producer(0), send: one}, stream{target: h.producer(1), send: one},
			stream{target: h.producer(2), send: one, unread: true}, stream{target: h.producer(3), send: one, unread: true})
		return nil
	}},
	// Frames in segments of one byte: each is an event of its own.
	{name: "frames byte by byte", connections: 8, run: func(h *hostile) error {
		frame := text(`{"context":"1"}`)
		h.begin()
		h.each(8, func(i int) error {
			nc, r, err := h.open(h.producer(i))
			if err != nil {
				return err
			}
			defer h.drop(nc)
			go func() { (&lastFrame{}).read(r) }() // ends with the connection
			for !h.ended() {
				for b := range frame {
					if _, err := nc.Write(frame[b : b+1]); err != nil {
						return err
					}
				}
				h.did.Add(1)
			}
			return nil
		})
		return nil
	}},
	// JSON of up to 1 MiB that is refused only at its end, since it has no payload.
	{name: "JSON of 1 MiB: deep, long, repeated", connections: 10, run: func(h *hostile) error {
		var streams []stream
		for i, frame := range []string{
			`{"properties":{"a":` + strings.Repeat(`[`, 1<<19-64) + strings.Repeat(`]`, 1<<19-64) + `}}`,
			`{"unknown":` + strings.Repeat(`{"a":`, 1<<17) + `1` + strings.Repeat(`}`, 1<<17) + `}`,
			`{"properties":{` + numbered(`"%06d":"",`, 80_000) + `"z":""}}`,
			`{"properties":{` + strings.Repeat(`"a":"b",`, 130_000) + `"z":""}}`,
			`{` + strings.Repeat(`"context":"b",`, 74_000) + `"z":""}`,
			`{` + numbered(`"%06d":1,`, 95_000) + `"z":""}`,
			`{"context":"` + strings.Repeat(`\ud83d\ude00`, 87_000) + `"}`,
			`{"context":` + strings.Repeat("9", 1<<20-64) + `}`,
			`{"replicationClusters":[` + strings.Repeat(`"c",`, 260_000) + `"c"]}`,
		} {
			streams = append(streams, stream{target: h.producer(i), send: same(text("%s", frame))})
		}
		// To a consumer it is a command with a very long id.
		h.floods(append(streams, stream{target: h.consumer(9), send: same(text(`{"messageId":"%s"}`, strings.Repeat("A", 1<<20-64)))})...)
		return nil
	}},
}

// fragments sends messages of n fragments with a content each.
func fragments(content string, n uint64) sender {
	piece := func(op byte, more bool) []byte {
		return conformance.Frame{Op: op, More: more, Payload: []byte(content)}.Bytes()
	}
	first, next, last := piece(conformance.OpText, true), piece(conformance.OpContinuation, true), piece(conformance.OpContinuation, false)
	return func(dst []byte, i uint64) []byte {
		switch i % n {
		case 0:
			return append(dst, first...)
		case n - 1:
			return append(dst, last...)
		}
		return append(dst, next...)
	}
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}
