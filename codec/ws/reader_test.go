package ws

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

func closing(code uint16, reason string) []byte {
	return frame(0x88, append(binary.BigEndian.AppendUint16(nil, code), reason...))
}

func event(what string, payload string) string {
	var v verdict
	v.add(what, []byte(payload))
	return v.events[0]
}

const testLimit = 1000

var ruleCases = []struct {
	name    string
	deflate bool
	in      []byte
	want    []string
	code    uint16
}{
	{name: "text", in: text("hello"), want: []string{event("text", "hello")}},
	{name: "empty text", in: text(""), want: []string{event("text", "")}},
	{name: "binary is not UTF-8", in: frame(0x82, []byte{0xff}), want: []string{event("binary", "\xff")}},
	{name: "126 bytes", in: text(strings.Repeat("x", 126)), want: []string{event("text", strings.Repeat("x", 126))}},
	{name: "three fragments", in: cat(frame(0x01, []byte("a")), frame(0, nil), frame(0x80, []byte("b"))), want: []string{event("text", "ab")}},
	{name: "empty fragments", in: cat(frame(0x02, nil), frame(0, nil), frame(0x80, nil), text("x")), want: []string{event("binary", ""), event("text", "x")}},
	{name: "control between fragments", in: cat(frame(0x01, []byte("a")), frame(0x89, []byte("p")), frame(0x8a, nil), frame(0x80, []byte("b"))),
		want: []string{event("ping", "p"), event("pong", ""), event("text", "ab")}},
	{name: "ping of 125 bytes", in: frame(0x89, make([]byte, 125)), want: []string{event("ping", string(make([]byte, 125)))}},
	{name: "ping of 126 bytes", in: frame(0x89, make([]byte, 126)), code: 1002},
	{name: "fragmented ping", in: frame(0x09, nil), code: 1002},
	{name: "unmasked", in: []byte{0x81, 0x01, 'x'}, code: 1002},
	{name: "rsv1 without negotiation", in: frame(0xc1, squeeze([]byte("x"))), code: 1002},
	{name: "rsv2", deflate: true, in: frame(0xa1, nil), code: 1002},
	{name: "rsv3", deflate: true, in: frame(0x91, nil), code: 1002},
	{name: "rsv1 on ping", deflate: true, in: frame(0xc9, nil), code: 1002},
	{name: "rsv1 on close", deflate: true, in: frame(0xc8, nil), code: 1002},
	{name: "rsv1 on continuation", deflate: true, in: cat(frame(0x41, nil), frame(0xc0, nil)), code: 1002},
	{name: "opcode 3", in: frame(0x83, nil), code: 1002},
	{name: "opcode 7", in: frame(0x87, nil), code: 1002},
	{name: "opcode 11", in: frame(0x8b, nil), code: 1002},
	{name: "opcode 15", in: frame(0x8f, nil), code: 1002},
	{name: "continuation of nothing", in: frame(0x80, nil), code: 1002},
	{name: "continuation behind a message", in: cat(text("x"), frame(0x80, nil)), want: []string{event("text", "x")}, code: 1002},
	{name: "text inside a message", in: cat(frame(0x01, nil), text("x")), code: 1002},
	{name: "binary inside a message", in: cat(frame(0x01, nil), frame(0x02, nil)), code: 1002},
	{name: "length 5 in two bytes", in: []byte{0x81, 0xfe, 0, 5, 0, 0, 0, 0}, code: 1002},
	{name: "length 300 in eight bytes", in: []byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 1, 44, 0, 0, 0, 0}, code: 1002},
	{name: "length with the top bit", in: []byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, code: 1002},
	{name: "longest length", in: []byte{0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0}, code: 1009},
	{name: "at the limit", in: frame(0x82, make([]byte, testLimit)), want: []string{event("binary", string(make([]byte, testLimit)))}},
	{name: "over the limit, by its header", in: frame(0x82, make([]byte, testLimit+1))[:8], code: 1009},
	{name: "fragments over the limit, by the header", in: cat(frame(0x02, make([]byte, testLimit)), frame(0x80, []byte{1})[:6]), code: 1009},
	{name: "fragments at the limit", in: cat(frame(0x02, make([]byte, testLimit)), frame(0x80, nil)), want: []string{event("binary", string(make([]byte, testLimit)))}},
	{name: "bad text", in: text("a\xffb"), code: 1007},
	{name: "surrogate", in: text("\xed\xa0\x80"), code: 1007},
	{name: "overlong", in: text("\xc0\xaf"), code: 1007},
	{name: "above U+10FFFF", in: text("\xf4\x90\x80\x80"), code: 1007},
	{name: "text ends inside a character", in: text("\xe2\x82"), code: 1007},
	{name: "character over frames", in: cat(frame(0x01, []byte("\xf0\x9f")), frame(0x00, []byte("\x98")), frame(0x80, []byte("\x80"))), want: []string{event("text", "😀")}},
	{name: "fragments end inside a character", in: cat(frame(0x01, []byte("\xf0\x9f")), frame(0x80, nil)), code: 1007},
	{name: "bad text, before the frame ends", in: text("ab\xff" + strings.Repeat("x", 90))[:9], code: 1007},
	{name: "bad text, before the message ends", in: cat(frame(0x01, []byte("\xe2")), frame(0x00, []byte("\x28"))), code: 1007},
	{name: "close without code", in: cat(frame(0x88, nil), text("late")), want: []string{`close 1005 ""`}},
	{name: "close 1000", in: closing(1000, "bye"), want: []string{`close 1000 "bye"`}},
	{name: "close 1014", in: closing(1014, ""), want: []string{`close 1014 ""`}},
	{name: "close 3000", in: closing(3000, ""), want: []string{`close 3000 ""`}},
	{name: "close 4999", in: closing(4999, ""), want: []string{`close 4999 ""`}},
	{name: "close 0", in: closing(0, ""), code: 1002},
	{name: "close 999", in: closing(999, ""), code: 1002},
	{name: "close 1004", in: closing(1004, ""), code: 1002},
	{name: "close 1005", in: closing(1005, ""), code: 1002},
	{name: "close 1006", in: closing(1006, ""), code: 1002},
	{name: "close 1015", in: closing(1015, ""), code: 1002},
	{name: "close 2999", in: closing(2999, ""), code: 1002},
	{name: "close 5000", in: closing(5000, ""), code: 1002},
	{name: "close with one byte", in: frame(0x88, []byte{3}), code: 1002},
	{name: "close reason is not UTF-8", in: closing(1000, "\xff"), code: 1007},
	{name: "close inside a message", in: cat(frame(0x01, []byte("a")), closing(1001, "")), want: []string{`close 1001 ""`}},
	{name: "nothing counts behind close", in: cat(closing(1000, ""), []byte{0xff, 0xff}), want: []string{`close 1000 ""`}},
	{name: "what came before an error counts", in: cat(text("a"), frame(0x89, nil), frame(0x8f, nil), text("b")), want: []string{event("text", "a"), event("ping", "")}, code: 1002},
}

func TestRules(t *testing.T) {
	for _, c := range ruleCases {
		t.Run(c.name, func(t *testing.T) {
			want := verdict{c.want, c.code}
			if got := reference(testLimit, c.deflate, c.in); !got.equal(want) {
				t.Errorf("the reference itself: %v, want %v", got, want)
			}
			for size := 1; size <= len(c.in); size++ {
				var r Reader
				r.SetDeflate(c.deflate)
				var got collector
				for part := range slices.Chunk(c.in, size) {
					if !got.feedAll(&r, &Limits{MaxMessage: testLimit}, part) {
						break
					}
				}
				if !got.equal(want) {
					t.Fatalf("in portions of %d: %v, want %v", size, got.verdict, want)
				}
			}
		})
	}
}

// mixed is a stream with something of everything.
func mixed() []byte {
	z := squeeze([]byte(strings.Repeat("compressed täxt ", 20)))
	return cat(
		text("first"), text(""), frame(0x89, []byte("ping")),
		frame(0x01, []byte("Grüße, \xe4")), frame(0x8a, []byte("pong")), frame(0x00, []byte("\xb8\x96")), frame(0x89, nil), frame(0x80, []byte("界")),
		frame(0xc1, z), frame(0x42, z[:5]), frame(0x89, []byte("in")), frame(0x00, nil), frame(0x80, z[5:]), frame(0xc1, []byte{0}),
		frame(0x82, bytes.Repeat([]byte{0xfe}, 140)), text(strings.Repeat("ä", 100)),
		closing(4003, "done"), text("not seen"))
}

func TestEverySplitGivesTheSame(t *testing.T) {
	stream := mixed()
	want := reference(testLimit, true, stream)
	if len(want.events) != 13 || want.code != 0 {
		t.Fatalf("the stream itself: %v", want)
	}
	for first := 0; first <= len(stream); first++ {
		for _, gap := range []int{0, 1, 2, 7, 40} {
			second := min(first+gap, len(stream))
			for pause := range 3 {
				var r Reader
				r.SetDeflate(true)
				got := collector{pause: pause}
				for _, part := range [][]byte{stream[:first], stream[first:second], stream[second:]} {
					got.feedAll(&r, &Limits{MaxMessage: testLimit}, part)
				}
				if !got.equal(want) {
					t.Fatalf("cut at %d and %d, pause %d:\n%v, want\n%v", first, second, pause, got.verdict, want)
				}
				if r.buf != nil {
					t.Fatalf("cut at %d and %d: a buffer is held at rest", first, second)
				}
			}
		}
	}
}

func TestLongFrame(t *testing.T) {
	for _, n := range []int{65535, 65536, 1 << 20, 2<<20 + 1} {
		payload := bytes.Repeat([]byte("0123456789"), n/10+1)[:n]
		stream := cat(frame(0x81, payload), text("next"))
		want := []string{event("text", string(payload)), event("text", "next")}
		for _, size := range []int{1000, 4096, 65537, len(stream)} {
			var r Reader
			var got collector
			for part := range slices.Chunk(stream, size) {
				got.feedAll(&r, &Limits{MaxMessage: n}, part)
			}
			if !slices.Equal(got.events, want) {
				t.Fatalf("%d bytes in portions of %d: wrong events (%d)", n, size, len(got.events))
			}
		}
	}
}

// pauser returns false from every Message.
type pauser struct{ payloads [][]byte }

func (p *pauser) Message(_ Opcode, b []byte) bool { p.payloads = append(p.payloads, b); return false }
func (p *pauser) Ping([]byte)                     {}
func (p *pauser) Costly(m *Costly)                { m.Release() }
func (p *pauser) Pong([]byte)                     {}
func (p *pauser) Close(uint16, string)            {}

func TestPause(t *testing.T) {
	first, second := text("first"), text("second")
	data := cat(first, second)
	var r Reader
	var p pauser
	n, err := r.Feed(&Limits{}, data, &p)
	if err != nil || n != len(first) {
		t.Fatalf("consumed %d, %v; want %d", n, err, len(first))
	}
	if !bytes.Equal(data[n:], second) {
		t.Error("bytes behind the pause were changed")
	}
	if n, err = r.Feed(&Limits{}, data[n:], &p); err != nil || n != len(second) || string(p.payloads[1]) != "second" {
		t.Errorf("after the pause: %d, %v, %q", n, err, p.payloads)
	}
}

func TestWholeFrameIsNotCopied(t *testing.T) {
	data := text("in place")
	var r Reader
	var p pauser
	if _, err := r.Feed(&Limits{}, data, &p); err != nil {
		t.Fatal(err)
	}
	if got := p.payloads[0]; &got[0] != &data[6] || cap(got) != len(got) {
		t.Error("the payload is not the one in the data, or can grow into what follows")
	}
}

// mostHeld is how large the buffer may be when so many bytes have come.
func mostHeld(came int) int {
	if came >= minRoom {
		return 4 * came
	}
	return max(1<<minClass, 2*came)
}

func TestAnnouncedLengthCostsNothing(t *testing.T) {
	l := &Limits{MaxMessage: 1 << 20}
	whole := frame(0x81, make([]byte, 1<<20))
	for _, sent := range []int{0, 1, 512, 513, 5000, minRoom, minRoom + 1, 20_000, 70_000, 100_000} {
		for _, portion := range []int{1, 14 + sent} {
			var r Reader
			var c collector
			for i := 0; i < 14+sent; i += portion {
				c.feedAll(&r, l, whole[i:i+portion])
			}
			if held := r.Held(); sent == 0 && held != 0 || held > mostHeld(sent) {
				t.Errorf("%d of 1 MiB sent in portions of %d: %d bytes held", sent, portion, held)
			}
			r.Release()
		}
	}
}

func TestPingInTwoPartsLeavesNoBuffer(t *testing.T) {
	var r Reader
	var c collector
	ping := frame(0x89, []byte("ping"))
	c.feedAll(&r, &Limits{}, ping[:8])
	if r.buf == nil {
		t.Error("half a payload has come and nothing is held")
	}
	c.feedAll(&r, &Limits{}, ping[8:])
	if len(c.events) != 1 || r.buf != nil {
		t.Errorf("events %v, buffer %v", c.events, r.buf)
	}
}

func TestReleaseAndAfter(t *testing.T) {
	var r Reader
	var c collector
	c.feedAll(&r, &Limits{}, cat(frame(0x01, []byte("abc")), text("")[:1]))
	if r.buf == nil {
		t.Fatal("a message is incomplete and nothing is held")
	}
	r.Release()
	if r.buf != nil {
		t.Error("a buffer is held after Release")
	}
	c.feedAll(&r, &Limits{}, text("late"))
	if len(c.events) != 0 {
		t.Errorf("events after Release: %v", c.events)
	}
}

func TestIdleReaderIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Reader{}); n > 40 {
		t.Errorf("an idle Reader has %d bytes", n)
	}
}

func TestLimitsDefaults(t *testing.T) {
	for in, want := range map[int]int{0: 1 << 20, -1: 1 << 20, 1: 1, 70000: 70000, 1 << 40: 1 << 30} {
		if got := (&Limits{MaxMessage: in}).maxMessage(); got != want {
			t.Errorf("MaxMessage %d means %d, want %d", in, got, want)
		}
	}
}

// nothing is a Handler that allocates nothing.
type nothing struct{ n int }

func (h *nothing) Message(_ Opcode, p []byte) bool { h.n += len(p); return true }
func (h *nothing) Ping(p []byte)                   { h.n += len(p) }
func (h *nothing) Costly(m *Costly)                { m.Release() }
func (h *nothing) Pong(p []byte)                   { h.n += len(p) }
func (h *nothing) Close(uint16, string)            {}

func TestReadingAllocatesNothing(t *testing.T) {
	message, ping := text(strings.Repeat("x", 100)), frame(0x89, []byte("p"))
	data := make([]byte, len(message)+len(ping))
	var r Reader
	l, h := &Limits{}, &nothing{}
	if n := testing.AllocsPerRun(100, func() {
		copy(data[copy(data, message):], ping)
		if _, err := r.Feed(l, data, h); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a message and a ping", n)
	}
	if h.n != 101*101 {
		t.Errorf("the handler got %d bytes", h.n)
	}
}
