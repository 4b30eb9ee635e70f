package codec

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

// sendFrame is a frame with a payload of n bytes.
func sendFrame(n int, fill byte) []byte {
	return []byte(`{"payload":"` + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, n)) + `","context":"c"}`)
}

// Payloads that are given back are used again; others never.
func TestLargePayloadsAreUsedAgain(t *testing.T) {
	const size, times = 64 << 10, 200
	decode := func(i int) *SendRequest {
		req := new(SendRequest)
		if err := DecodeSend(sendFrame(size, byte(i)), req); err != nil {
			t.Fatal(err)
		}
		return req
	}
	var kept []*SendRequest
	places := map[*byte]int{}
	for i := range times {
		req := decode(i)
		places[&req.Payload[0]]++
		if i%10 == 0 {
			kept = append(kept, req)
			continue
		}
		if !bytes.Equal(req.Payload, bytes.Repeat([]byte{byte(i)}, size)) {
			t.Fatalf("payload %d is another", i)
		}
		req.Recycler()(req.Payload)
	}
	if len(places) > times*9/10 { // with the race detector the pool forgets some
		t.Errorf("%d payloads were in %d places", times, len(places))
	}
	for i, req := range kept {
		if !bytes.Equal(req.Payload, bytes.Repeat([]byte{byte(i * 10)}, size)) {
			t.Fatalf("payload %d, which was kept, has changed", i*10)
		}
	}
}

// What a payload lies in is at most twice as large, wherever it stands in its frame, and small ones are
// the garbage collector's.
func TestPayloadsTakeLittleMore(t *testing.T) {
	for _, n := range []int{0, 1, 100, 16 << 10, 32 << 10, 32<<10 + 1, 65 << 10, 1 << 20, 2 << 20, 2<<20 + 1} {
		frame := sendFrame(n, 'x')
		escaped := []byte(strings.Replace(string(frame), `"payload":"`, `"payload":"\u0065Hh4`, 1))
		long := append(frame[:len(frame)-1:len(frame)-1], `,"key":"`+strings.Repeat("k", 4*n+100)+`"}`...)
		for i, frame := range [][]byte{frame, long, escaped} {
			var req SendRequest
			if err := DecodeSend(frame, &req); err != nil {
				t.Fatal(err)
			}
			if got := len(req.Payload); i < 2 && got != n {
				t.Fatalf("%d bytes are %d", n, got)
			}
			if held := cap(req.Payload); held > 2*len(req.Payload)+64 {
				t.Errorf("frame %d: %d bytes lie in %d", i, n, held)
			}
			if n <= 100 && req.Recycler() != nil {
				t.Errorf("frame %d: %d bytes are to be recycled", i, n)
			}
			if n == 1<<20 && req.Recycler() == nil {
				t.Errorf("frame %d: %d bytes are not to be recycled", i, n)
			}
		}
	}
}

// FuzzDecodeQuoted compares with searching for the quote first.
func FuzzDecodeQuoted(f *testing.F) {
	block := strings.Repeat("QUJD", 16)
	for _, s := range []string{
		``, `"`, `aGk="}`, block, block + `"`, block + `aGk="`, block + block + `aGk`, block[:60] + `=="` + block, block + `="` + block, block + `a"` + block,
		block + block[:62] + "\n\"" + block, block[:63] + "\n" + block + `"`, block + "\r\n\r\n" + `QQ"` + block, block + `"` + block + block + block, block + block + block + `\u0041"`,
	} {
		f.Add([]byte(s), uint8(0))
		f.Add([]byte(s), uint8(16))
	}
	f.Fuzz(func(t *testing.T, text []byte, quads uint8) {
		before := slices.Clone(text)
		got, n, ok := decodeQuoted(text, 4*(int(quads)+1))
		if !slices.Equal(text, before) {
			t.Fatal("the text has changed")
		}
		end := bytes.IndexByte(text, '"')
		if end < 0 {
			if ok {
				t.Fatalf("%q: decoded without an end", text)
			}
			return
		}
		want, wantOK := refBase64(string(text[:end]))
		if ok != wantOK || ok && (n != end || !bytes.Equal(got, want)) {
			t.Fatalf("%q: %q, %d, %t; want %q, %d, %t", text, got, n, ok, want, end, wantOK)
		}
	})
}
