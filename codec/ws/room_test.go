package ws

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// long is a stream of messages that Room is for, in all forms.
func long(r *rand.Rand) []byte {
	var stream []byte
	for range 4 {
		s := strings.Repeat("plain text, ", r.IntN(30_000))
		if r.IntN(2) == 0 {
			s = strings.Repeat("täxt 界 ", r.IntN(30_000))
		}
		b := []byte(s)
		switch r.IntN(5) {
		case 0:
			stream = append(stream, frame(0x81, b)...)
		case 1:
			stream = append(stream, frame(0x82, append(b, 0xff))...)
		case 2:
			cut := r.IntN(len(b) + 1)
			stream = append(stream, cat(frame(0x01, b[:cut]), frame(0x89, []byte("ping")), frame(0x80, b[cut:]))...)
		case 3:
			noise := make([]byte, r.IntN(100_000))
			for i := range noise {
				noise[i] = byte(r.Uint32()) & 0x7f
			}
			stream = append(stream, frame(0xc1, squeeze(noise))...)
		case 4:
			if r.IntN(4) == 0 && len(b) > 0 {
				b[r.IntN(len(b))] = 0xff
			}
			stream = append(stream, cat(frame(0x81, b), text("behind"))...)
		}
	}
	return stream
}

// What is read to where Room says is understood as what is fed, in any portions, and the buffer keeps to its bound.
func TestRoom(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	l := &Limits{MaxMessage: 1 << 20}
	rooms, largest := 0, 0
	for range 12 {
		stream := long(r)
		want := reference(l.MaxMessage, true, stream)
		var reader Reader
		reader.SetDeflate(true)
		var got collector
		for fed := 0; fed < len(stream); {
			portion := stream[fed:min(len(stream), fed+1+r.IntN(1<<r.IntN(20)))]
			room := reader.Room()
			if room == nil || r.IntN(10) == 0 {
				if fed += len(portion); !got.feedAll(&reader, l, portion) {
					break
				}
				continue
			}
			if len(room) < minRoom || len(room) > maxRoom || len(room) > len(stream)-fed {
				t.Fatalf("room for %d bytes, where %d are to come", len(room), len(stream)-fed)
			}
			if held := reader.Held(); held > mostHeld(fed) {
				t.Fatalf("a buffer of %d bytes for %d that came", held, fed)
			}
			n := copy(room, portion)
			fed += n
			rooms++
			largest = max(largest, n)
			if err := reader.Filled(l, n, &got); err != nil {
				got.code = err.(*CloseError).Code
				break
			}
		}
		if !got.equal(want) {
			t.Fatalf("%v, want %v", got.verdict, want)
		}
		if len(stream) > 0 && got.code == 0 && reader.Held() != 0 {
			t.Fatalf("%d bytes are held at the end", reader.Held())
		}
		reader.Release()
		if reader.Room() != nil {
			t.Fatal("room behind the end")
		}
	}
	if rooms < 30 || largest < maxRoom/2 {
		t.Errorf("%d times, %d bytes at most", rooms, largest)
	}
}

// There is none where reading on would take what is behind a short frame, or where little has come.
func TestNoRoom(t *testing.T) {
	whole := frame(0x81, make([]byte, 1<<20))
	for _, sent := range []int{0, 1, 14, 15, minRoom + 13, len(whole) - minRoom + 1, len(whole)} {
		var r Reader
		var c collector
		c.feedAll(&r, &Limits{MaxMessage: 1 << 20}, whole[:sent])
		if r.Room() != nil || r.Long() {
			t.Errorf("room behind %d of %d bytes", sent, len(whole))
		}
		r.Release()
	}
}
