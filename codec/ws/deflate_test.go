package ws

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// finalBlock is a deflate stream that ends, as one block with BFINAL=1.
func finalBlock(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.String()
}

var inflateCases = []struct{ name, in, want string }{
	// The examples of RFC 7692 section 7.2.3.
	{"one block", "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"},
	{"stored block", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"},
	{"final block", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"},
	{"two blocks", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"},
	{"empty", "\x00", ""},
	// What senders do besides.
	{"final block alone", "\xf3\x48\xcd\xc9\xc9\x07\x00", "Hello"},
	{"empty stored final block", "\x01\x00\x00\xff\xff", ""},
	{"empty stored final block, its end left out", "\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff\x01", "Hello"},
	{"final block, then another", "\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x48\xcd\xc9\xc9\x07\x00", "HelloHello"},
	{"many final blocks", strings.Repeat(finalBlock("abcabcabcabc "), maxRestarts) + "\x00", strings.Repeat("abcabcabcabc ", maxRestarts)},
}

func TestInflate(t *testing.T) {
	for _, c := range inflateCases {
		t.Run(c.name, func(t *testing.T) {
			got, err := inflate([]byte(c.in+inflateTail), 1<<16)
			if err != nil || string(got.b) != c.want {
				t.Errorf("%v, %v; want %q", got, err, c.want)
			}
		})
	}
}

// packBits makes bytes of a deflate stream from its bits, in the order in which
// they are read (RFC 1951 section 3.1.1).
func packBits(stream string) string {
	b := make([]byte, (len(stream)+7)/8)
	for i, c := range stream {
		b[i/8] |= byte(c-'0') << (i % 8)
	}
	return string(b)
}

func TestInflateSharesTheWindowOverFinalBlocks(t *testing.T) {
	// A block with fixed codes: the match of length 5 at distance 5 (symbol 259,
	// distance code 4 and its extra bit), the end of the block, an empty block's header.
	back := packBits("0" + "10" + "0000011" + "00100" + "0" + "0000000" + "000")
	got, err := inflate([]byte(finalBlock("Hello")+back+inflateTail), 100)
	if err != nil || string(got.b) != "HelloHello" {
		t.Errorf("%v, %v", got, err)
	}
}

// dynamicBlock is the bits of a block that holds nothing but the most costly
// thing for its length: code tables of its own, with one code each.
const dynamicBlock = "0" + "01" + "00000" + "00000" + "0111" + // 257 literal codes, 1 distance code, 18 lengths of code lengths
	"000" + "000" + "100" + // 16, 17, 18: one bit
	"000000000000000000000000000000000000000000" + // 0 to 14, without 1
	"100" + // 1: one bit
	"11111111" + "11101011" + // 256 codes not used: 138 and 118
	"0" + "0" + "0" // literal code 256 and the distance code have one bit; the end of the block

func TestInflateEmptyDynamicBlocks(t *testing.T) {
	got, err := inflate([]byte(packBits(strings.Repeat(dynamicBlock, 8))+"\x00"+inflateTail), 10)
	if err != nil || len(got.b) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestInflateRefuses(t *testing.T) {
	bomb := squeeze(make([]byte, 4<<20))
	for _, c := range []struct {
		name, in string
		want     *CloseError
	}{
		{"reserved block type", "\xff\xff\xff\xff", errInflate},
		{"truncated", string(squeeze([]byte("a message that is cut off in the middle")))[:12], errInflate},
		{"stored block that is longer than its message", "\x00\x50\x00\xaf\xffabc", errInflate},
		{"distance before the beginning", "\x03\x02\x00", errInflate},
		{"bomb", string(bomb), errTooBig},
		{"too many final blocks", strings.Repeat(finalBlock(""), maxRestarts+2), errRestarts},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := inflate([]byte(c.in+inflateTail), 1<<16); err != c.want {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestInflateStopsAtTheLimit(t *testing.T) {
	bomb := append(squeeze(make([]byte, 4<<20)), inflateTail...)
	z := inflaters.Get().(*inflater)
	defer inflaters.Put(z)
	z.src.Reset(bomb)
	if err := z.fr.(flate.Resetter).Reset(&z.src, nil); err != nil {
		t.Fatal(err)
	}
	out, err := inflateBlocks(getBuffer(0), z.fr, 1<<16)
	if err != errTooBig || len(out.b) != 1<<16+1 {
		t.Errorf("%v after %d bytes", err, len(out.b))
	}
	if read := len(bomb) - z.src.Len(); read > len(bomb)/16 {
		t.Errorf("%d of %d compressed bytes were read for a 64th of the message", read, len(bomb))
	}
}

func TestIncompressibleMessageAtTheLimit(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{1})
	for _, n := range []int{1, 100, 65536, 1 << 20} {
		message := make([]byte, n)
		_, _ = rng.Read(message)
		in := frame(0xc2, squeeze(message))
		var r Reader
		r.SetDeflate(true)
		var c collector
		c.feedAll(&r, &Limits{MaxMessage: n}, in)
		if c.code != 0 || len(c.events) != 1 {
			t.Errorf("%d bytes: code %d", n, c.code)
		}
	}
}

func TestCompressedTextMustBeUTF8(t *testing.T) {
	for first, code := range map[byte]uint16{0xc1: CodeInvalidData, 0xc2: 0} {
		var r Reader
		r.SetDeflate(true)
		var c collector
		c.feedAll(&r, &Limits{}, frame(first, squeeze([]byte("ab\xff"))))
		if c.code != code {
			t.Errorf("first byte %x: code %d, want %d", first, c.code, code)
		}
	}
}

func TestInflateIsSafeForConcurrentUse(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			message := bytes.Repeat([]byte{byte('a' + i), '-'}, 3000+i)
			for range 50 {
				out, back := getBuffer(0), (*buffer)(nil)
				deflate(out, message)
				var err *CloseError
				if back, err = inflate(append(bytes.Clone(out.b), inflateTail...), len(message)); err != nil || !bytes.Equal(back.b, message) {
					t.Errorf("%v", err)
					return
				}
				putBuffer(out)
				putBuffer(back)
			}
		})
	}
	wg.Wait()
}
