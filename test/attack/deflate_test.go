//go:build pulsar && linux

package attack

import (
	"bytes"
	"compress/flate"
	"strings"

	"github.com/pulsegate/pulsegate/conformance"
)

// compressing is a session of a producer that is flooded with a compressed frame.
func (h *hostile) compressing(i int, payload []byte) stream {
	frame := conformance.Frame{Op: conformance.OpText, RSV: conformance.RSV1, Payload: payload}.Bytes()
	return stream{target: h.producer(i), lines: []string{"Sec-WebSocket-Extensions: permessage-deflate"}, send: same(frame)}
}

// What a compressed frame costs is not what it weighs.
var deflateAttacks = []attack{
	// Code tables without what they are for: the most work for each byte, and nothing comes out that a limit would stop. Those
	// with the longest codes need second tables.
	{name: "1 MiB deflate frames of code tables", connections: 4, run: func(h *hostile) error {
		tables := func(block string) []byte { return packBits(strings.Repeat(block, (1<<20-64)*8/len(block))) }
		short, long := tables(emptyBlock), tables(longBlock())
		h.floods(h.compressing(0, short), h.compressing(1, short), h.compressing(2, long), h.compressing(3, long))
		return nil
	}},
	// Frames that inflate to 200 MiB, and the smallest there are: each needs a decompressor.
	{name: "deflate bombs and tiny deflate frames", connections: 4, run: func(h *hostile) error {
		const end = "\x00\x00\xff\xff"
		part := append(deflated(bytes.Repeat([]byte("A"), 1<<20)), end...)
		bomb := append(append(deflated([]byte(`{"payload":"`)), end...), bytes.Repeat(part, 200)...)
		bomb = append(bomb, deflated([]byte(`"}`))...)
		tiny := deflated([]byte("{}"))
		h.floods(h.compressing(0, bomb), h.compressing(1, bomb), h.compressing(2, tiny), h.compressing(3, tiny))
		return nil
	}},
}

// deflated is the compressed form of a message (RFC 7692 section 7.2.1).
func deflated(b []byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		panic(err) // the level is a constant of the library
	}
	_, _ = w.Write(b) // a buffer takes every write
	_ = w.Flush()
	return bytes.TrimSuffix(out.Bytes(), []byte("\x00\x00\xff\xff"))
}

// packBits makes bytes of a deflate stream's bits, in the order in which they are read (RFC 1951 section 3.1.1).
func packBits(stream string) []byte {
	b := make([]byte, (len(stream)+7)/8)
	for i, c := range stream {
		b[i/8] |= byte(c-'0') << (i % 8)
	}
	return b
}

// emptyBlock is the bits of a block with code tables of its own (RFC 1951 section 3.2.7) that are as short as can be, and no data.
const emptyBlock = "0" + "01" + "00000" + "00000" + "0111" + // 257 literal codes, 1 distance code, 18 lengths of code lengths
	"000" + "000" + "100" + // 16, 17, 18: one bit
	"000000000000000000000000000000000000000000" + // 0 to 14, without 1
	"100" + // 1: one bit
	"11111111" + "11101011" + // 256 codes not used: 138 and 118
	"0" + "0" + "0" // literal code 256 and the distance code have one bit; the end of the block

// longBlock is like emptyBlock, but with one code of each length from 1 to 14, two of 15, and the end of the block among the
// latter, which makes its table as deep as tables can be.
func longBlock() string {
	var b strings.Builder
	bits := func(value, n int) { // as numbers are written: the least bit first
		for i := range n {
			b.WriteByte('0' + byte(value>>i&1))
		}
	}
	code := func(value, n int) { // as codes are written: the greatest bit first
		for i := n - 1; i >= 0; i-- {
			b.WriteByte('0' + byte(value>>i&1))
		}
	}
	bits(0, 1)
	bits(2, 2)
	bits(0, 5)  // 257 literal codes
	bits(0, 5)  // 1 distance code
	bits(15, 4) // 19 lengths of code lengths
	// Symbols 1 to 15 and 18 have codes of 4 bits, which are 0 to 15 in the order of the symbols.
	for _, symbol := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15} {
		n := 4
		if symbol == 16 || symbol == 17 || symbol == 0 {
			n = 0
		}
		bits(n, 3)
	}
	length := func(n int) { code(n-1, 4) }
	unused := func(n int) { code(15, 4); bits(n-11, 7) }
	for n := 1; n <= 15; n++ {
		length(n) // of literals 0 to 14
	}
	unused(138)
	unused(256 - 15 - 138)
	length(15) // the end of the block
	length(1)  // the distance code
	code(1<<15-1, 15)
	return b.String()
}
