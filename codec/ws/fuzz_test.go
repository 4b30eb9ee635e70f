package ws

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/bits"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzReader feeds any bytes in any portions, with pauses, and wants what the
// reference makes of them, and no more memory than they are worth.
func FuzzReader(f *testing.F) {
	for _, c := range ruleCases {
		f.Add(c.in, []byte{1}, c.deflate, uint16(testLimit), uint8(0))
		f.Add(c.in, []byte{200, 3}, c.deflate, uint16(testLimit), uint8(1))
	}
	f.Add(mixed(), []byte{0, 1, 7, 255}, true, uint16(500), uint8(2))
	f.Add(frame(0xc1, squeeze(bytes.Repeat([]byte("bomb"), 10000))), []byte{9}, true, uint16(100), uint8(0))
	f.Fuzz(func(t *testing.T, stream, portions []byte, deflate bool, limit uint16, pause uint8) {
		l := &Limits{MaxMessage: max(int(limit), 1)}
		want := reference(l.MaxMessage, deflate, stream)
		var r Reader
		r.SetDeflate(deflate)
		got := collector{pause: int(pause)}
		for i, fed := 0, 0; fed < len(stream); i++ {
			n := len(stream) - fed
			if len(portions) > 0 {
				n = min(n, int(portions[i%len(portions)])+1)
			}
			fed += n
			ok := got.feedAll(&r, l, stream[fed-n:fed])
			if held := len(r.buffered()); held > fed || held > l.maxCompressed()+maxControl {
				t.Fatalf("%d bytes held of %d", held, fed)
			}
			if r.buf != nil && cap(r.buf.b) > mostHeld(fed) {
				t.Fatalf("a buffer of %d bytes for %d that came", cap(r.buf.b), fed)
			}
			if !ok {
				break
			}
		}
		if !got.equal(want) {
			t.Fatalf("got  %v\nwant %v", got.verdict, want)
		}
		if got.code != 0 && r.buf != nil {
			t.Fatal("a buffer is held after an error")
		}
	})
}

// FuzzDeflate takes the data as a message, which goes out and in against the
// standard library, and as a compressed one, which may be anything.
func FuzzDeflate(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("Hello"))
	f.Add([]byte(strings.Repeat(`{"messageId":"CAUQADAA","payload":"aGk="}`, 100)))
	f.Add(bytes.Repeat([]byte{0}, 100_000))
	for _, c := range inflateCases {
		f.Add([]byte(c.in))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 18
		out := getBuffer(0)
		deflate(out, data)
		back, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(out.b), strings.NewReader(inflateTail))))
		if err != nil || !bytes.Equal(back, data) {
			t.Fatalf("the standard library reads %d of %d bytes back: %v", len(back), len(data), err)
		}
		own, cerr := inflate(append(squeeze(data), inflateTail...), len(data))
		if cerr != nil || !bytes.Equal(own.b, data) {
			t.Fatalf("what the standard library compressed: %v", cerr)
		}
		if len(data) > 1 {
			if _, cerr = inflate(append(squeeze(data), inflateTail...), len(data)-1); cerr != errTooBig {
				t.Fatalf("one byte over the limit: %v", cerr)
			}
		}
		if len(data) == 0 {
			return
		}
		want, err := refInflate(data, limit)
		got, cerr := inflate(append(bytes.Clone(data), inflateTail...), limit)
		switch {
		case err == nil:
			if cerr != nil || !bytes.Equal(got.b, want) {
				t.Fatalf("compressed data: %v, want %d bytes", cerr, len(want))
			}
		case errors.Is(err, errTooBig), errors.Is(err, errRestarts):
			if cerr != err {
				t.Fatalf("compressed data: %v, want %v", cerr, err)
			}
		case cerr != errInflate:
			t.Fatalf("compressed data: %v, want %v", cerr, err)
		}
	})
}

// FuzzNegotiate compares with a reading that knows no quotes, where there are
// none.
func FuzzNegotiate(f *testing.F) {
	for _, c := range negotiateCases {
		f.Add(strings.Join(c.offers, ","))
	}
	f.Fuzz(func(t *testing.T, header string) {
		response, ok := NegotiateDeflate([]string{header})
		if ok != (response != "") {
			t.Fatalf("%q, %v", response, ok)
		}
		if again, both := NegotiateDeflate([]string{"permessage-deflate", header}); again != deflateResponse || !both {
			t.Fatalf("behind a good offer: %q, %v", again, both)
		}
		for i := range len(header) {
			if c := header[i]; !isToken(c) && !strings.ContainsRune(";,= \t", rune(c)) {
				return
			}
		}
		if want := refNegotiate(header); ok != want {
			t.Fatalf("%v, want %v", ok, want)
		}
	})
}

func refNegotiate(header string) (accepted bool) {
	trim := func(s string) string { return strings.Trim(s, " \t") }
	token := func(s string) bool { return s != "" && !strings.ContainsAny(s, "= \t") }
	for offer := range strings.SplitSeq(header, ",") {
		parts := strings.Split(offer, ";")
		if name := trim(parts[0]); name == "" && len(parts) == 1 {
			continue
		} else if !token(name) {
			return false
		}
		good := trim(parts[0]) == "permessage-deflate"
		seen := map[string]bool{}
		for _, p := range parts[1:] {
			name, value, has := strings.Cut(p, "=")
			name, value = trim(name), trim(value)
			if !token(name) || has && !token(value) {
				return false
			}
			good = good && !seen[name]
			seen[name] = true
			size := strings.Contains(" 8 9 10 11 12 13 14 15 ", " "+value+" ") && value != ""
			switch name {
			case "server_no_context_takeover", "client_no_context_takeover":
				good = good && !has
			case "client_max_window_bits":
				good = good && (!has || size)
			case "server_max_window_bits":
				good = good && value == "15"
			default:
				good = false
			}
		}
		accepted = accepted || good
	}
	return accepted
}

func isASCII(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r >= utf8.RuneSelf })
}

// FuzzMask compares with XOR byte by byte, at any offset and in two portions.
func FuzzMask(f *testing.F) {
	f.Add(uint32(0x04030201), []byte("The quick brown fox jumps over the lazy dog, twice and thrice."), uint8(3), uint8(17))
	f.Add(uint32(0xffffffff), []byte{0}, uint8(0), uint8(0))
	f.Fuzz(func(t *testing.T, key uint32, data []byte, offset, cut uint8) {
		all := bytes.Clone(data)
		part := all[min(int(offset), len(all)):]
		middle := min(int(cut), len(part))
		next, ascii := unmask(key, part[:middle])
		last, ascii2 := unmask(next, part[middle:])
		if want := isASCII(part[:middle]); ascii != want {
			t.Fatalf("%q is ASCII: %t", part[:middle], ascii)
		}
		if want := isASCII(part[middle:]); ascii2 != want {
			t.Fatalf("%q is ASCII: %t", part[middle:], ascii2)
		}
		for i := range part {
			if want := data[len(data)-len(part)+i] ^ byte(key>>(i%4*8)); part[i] != want {
				t.Fatalf("byte %d is %x, want %x", i, part[i], want)
			}
		}
		if want := bits.RotateLeft32(key, -8*(len(part)%4)); last != want {
			t.Fatalf("the key for what follows is %x, want %x", last, want)
		}
		if !bytes.Equal(all[:len(all)-len(part)], data[:len(data)-len(part)]) {
			t.Fatal("bytes in front were changed")
		}
	})
}
