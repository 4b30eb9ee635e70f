package wire

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/pulsegate/pulsegate/codec/ws"
)

// Whatever a server sends, and however it is cut, gives the same messages and
// the same verdict, and no crash.
func FuzzReader(f *testing.F) {
	f.Add([]byte("\x81\x02hi\x89\x00\x88\x02\x03\xe8"), uint8(1))
	f.Add([]byte("\x01\x01a\x80\x01b\x81\x7e\x00\x80"), uint8(3))
	f.Add(ws.AppendTextDeflated(nil, func(b []byte) []byte { return append(b, bytes.Repeat([]byte("ab"), 400)...) }), uint8(7))
	f.Add([]byte("\x83\x00"), uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		if step == 0 || len(in) > 1<<16 {
			return
		}
		whole, pieces := new(clientSide), new(clientSide)
		var a, b Reader
		wantErr := a.Feed(bytes.Clone(in), whole)
		var gotErr error
		for rest := in; len(rest) > 0 && gotErr == nil; {
			n := min(int(step), len(rest))
			gotErr = b.Feed(bytes.Clone(rest[:n]), pieces)
			rest = rest[n:]
		}
		if fmt.Sprint(whole.got) != fmt.Sprint(pieces.got) || (wantErr == nil) != (gotErr == nil) {
			t.Errorf("whole: %q, %v; in pieces: %q, %v", whole.got, wantErr, pieces.got, gotErr)
		}
		a.Release()
		b.Release()
	})
}
