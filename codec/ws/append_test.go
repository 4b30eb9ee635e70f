package ws

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// parseServer takes one server frame apart.
func parseServer(t *testing.T, f []byte) (first byte, payload []byte) {
	t.Helper()
	if len(f) < 2 || f[1]&bitMask != 0 {
		t.Fatalf("no server frame: % x", f)
	}
	n, size := int(f[1]), 2
	switch n {
	case len16:
		n, size = int(f[2])<<8|int(f[3]), 4
	case len64:
		n, size = int(f[6])<<24|int(f[7])<<16|int(f[8])<<8|int(f[9]), 10
	}
	if len(f) != size+n {
		t.Fatalf("a frame of %d bytes announces %d+%d", len(f), size, n)
	}
	if want := map[bool]int{true: 2, false: 4}[n < 126]; n < 65536 && size != want {
		t.Fatalf("a header of %d bytes for %d", size, n)
	}
	return f[0], f[size:]
}

var frameSizes = []int{0, 1, 125, 126, 127, 511, 512, 1000, 65535, 65536, 70000}

func TestAppendAndFrames(t *testing.T) {
	for _, n := range frameSizes {
		message := []byte(strings.Repeat("0123456789", n/10+1)[:n])
		add := func(dst []byte) []byte { return append(dst, message...) }
		for what, f := range map[string][]byte{
			"AppendFrame": AppendFrame([]byte("before"), OpText, message),
			"AppendText":  AppendText([]byte("before"), add),
			"with room":   AppendText(append(make([]byte, 0, n+100), "before"...), add),
			"NewFrame":    append([]byte("before"), NewFrame(message).Plain()...),
			"BuildFrame":  append([]byte("before"), BuildFrame(add).Plain()...),
		} {
			rest, ok := bytes.CutPrefix(f, []byte("before"))
			if !ok {
				t.Fatalf("%s of %d: what was there is gone", what, n)
			}
			if first, payload := parseServer(t, rest); first != 0x81 || !bytes.Equal(payload, message) {
				t.Errorf("%s of %d: first byte %x, %d bytes", what, n, first, len(payload))
			}
		}
		built := BuildFrame(add)
		if plain := built.Plain(); built.Len() != len(plain) || cap(plain) > len(plain)+len(plain)/4+16 {
			t.Errorf("a frame of %d bytes has Len %d and holds %d", len(plain), built.Len(), cap(plain))
		}
		deflated := map[string][]byte{
			"AppendTextDeflated": AppendTextDeflated([]byte("before"), add)[len("before"):],
			"NewFrame":           NewFrame(message).Deflated(),
			"BuildFrame":         built.Deflated(),
		}
		for what, f := range deflated {
			first, payload := parseServer(t, f)
			if compressed := n >= DeflateThreshold; compressed != (first == 0xc1) {
				t.Errorf("%s of %d: first byte %x", what, n, first)
			} else if compressed {
				var err error
				if payload, err = refInflate(payload, n); err != nil {
					t.Errorf("%s of %d: %v", what, n, err)
				}
			}
			if !bytes.Equal(payload, message) {
				t.Errorf("%s of %d: wrong payload", what, n)
			}
		}
	}
}

func TestWhatDoesNotCompressGoesPlain(t *testing.T) {
	message := make([]byte, 0, 5000)
	for i, x := 0, uint32(1); i < 5000; i++ {
		x = x*1664525 + 1013904223
		message = append(message, byte(x>>24))
	}
	if f := NewFrame(message); &f.Deflated()[0] != &f.Plain()[0] {
		t.Error("the frame has a second copy that is no shorter")
	}
	f := AppendTextDeflated(nil, func(dst []byte) []byte { return append(dst, message...) })
	if first, payload := parseServer(t, f); first != 0x81 || !bytes.Equal(payload, message) {
		t.Errorf("first byte %x, %d bytes", first, len(payload))
	}
}

func TestFrameIsSafeForConcurrentUse(t *testing.T) {
	f := NewFrame(bytes.Repeat([]byte("message "), 100))
	var wg sync.WaitGroup
	var seen [8]*byte
	for i := range seen {
		wg.Go(func() { seen[i] = &f.Deflated()[0] })
	}
	wg.Wait()
	for _, p := range seen {
		if p != seen[0] {
			t.Error("the frame was compressed more than once")
		}
	}
}

func TestAppendFrameCutsControlFrames(t *testing.T) {
	if first, payload := parseServer(t, AppendFrame(nil, OpPong, make([]byte, 200))); first != 0x8a || len(payload) != 125 {
		t.Errorf("first byte %x, %d bytes", first, len(payload))
	}
}

func TestAppendClose(t *testing.T) {
	for _, c := range []struct {
		code   uint16
		reason string
		want   string
	}{
		{1000, "", "\x03\xe8"},
		{1002, "why", "\x03\xeawhy"},
		{4003, "ä", "\x0f\xa3ä"},
		{CodeNoStatus, "lost", ""},
		{0, "", ""},
		{1001, strings.Repeat("x", 123), "\x03\xe9" + strings.Repeat("x", 123)},
		{1001, strings.Repeat("x", 124), "\x03\xe9" + strings.Repeat("x", 123)},
		{1001, "x" + strings.Repeat("ä", 62), "\x03\xe9x" + strings.Repeat("ä", 61)},
		{1001, strings.Repeat("ä", 62), "\x03\xe9" + strings.Repeat("ä", 61)},
		{1001, strings.Repeat("😀", 31), "\x03\xe9" + strings.Repeat("😀", 30)},
		{1001, "a\xffb", "\x03\xe9a\ufffdb"},
	} {
		f := AppendClose([]byte("before"), c.code, c.reason)[len("before"):]
		first, payload := parseServer(t, f)
		if first != 0x88 || string(payload) != c.want || len(payload) > 125 || len(payload) > 2 && !utf8.Valid(payload[2:]) {
			t.Errorf("%d %q: first byte %x, %q, want %q", c.code, c.reason, first, payload, c.want)
		}
	}
}

func TestCloseErrorSaysWhy(t *testing.T) {
	if got := errUnmasked.Error(); got != "websocket: a client's frame is not masked" {
		t.Error(got)
	}
}

func TestBuffers(t *testing.T) {
	for _, n := range []int{0, 1, 512, 513, 1 << 20, 1 << maxClass, 1<<maxClass + 1} {
		p := getBuffer(n)
		if len(p.b) != 0 || cap(p.b) < n || n <= 1<<maxClass && cap(p.b) > max(2*n, 1<<minClass) {
			t.Errorf("a buffer for %d bytes has length %d, capacity %d", n, len(p.b), cap(p.b))
		}
		putBuffer(p)
	}
	var p *buffer
	for i := range 3000 {
		p = p.grow(1)
		p.b = append(p.b, byte(i))
	}
	for i, c := range p.b {
		if c != byte(i) {
			t.Fatalf("byte %d is %d after growing", i, c)
		}
	}
}

func TestWritingAllocatesNothing(t *testing.T) {
	message := bytes.Repeat([]byte(`{"a":1}`), 100)
	dst := make([]byte, 0, 4096)
	add := func(dst []byte) []byte { return append(dst, message...) }
	f := NewFrame(message)
	f.Deflated()
	for what, write := range map[string]func(){
		"AppendText":  func() { dst = AppendText(dst[:0], add) },
		"AppendFrame": func() { dst = AppendFrame(dst[:0], OpPong, message[:10]) },
		"AppendClose": func() { dst = AppendClose(dst[:0], 1000, "bye") },
		"Plain":       func() { dst = append(dst[:0], f.Plain()...) },
		"Deflated":    func() { dst = append(dst[:0], f.Deflated()...) },
	} {
		if n := testing.AllocsPerRun(100, write); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
}
