package server

import (
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/codec/ws"
)

func TestOutput(t *testing.T) {
	add := func(text string) func([]byte) []byte {
		return func(dst []byte) []byte { return append(dst, text...) }
	}
	one, two := ws.BuildFrame(add("one")), ws.BuildFrame(add("two"))
	var o output
	o.reset(1 << 10)
	o.Shared(one)
	if got := o.bytes(); &got[0] != &one.Plain()[0] {
		t.Error("a frame alone was copied")
	}
	o.Shared(two)
	o.Append(add("three"))
	if got := string(o.bytes()); got != "\x81\x03one\x81\x03two\x81\x05three" || o.frames != 3 {
		t.Errorf("got %q, %d frames", got, o.frames)
	}
	if string(one.Plain()) != "\x81\x03one" {
		t.Error("a shared frame was changed")
	}

	o.reset(10)
	if o.Append(add("four")); !o.Room() || o.refused {
		t.Error("no room for a second frame")
	}
	if o.Append(add("five")); o.Room() || !o.refused {
		t.Error("room beyond the bound")
	}

	o.reset(1 << 20)
	o.deflate = true
	large := ws.BuildFrame(add(strings.Repeat("compress me ", 500)))
	o.Shared(large)
	if o.len() >= large.Len() {
		t.Errorf("%d bytes of %d: not compressed", o.len(), large.Len())
	}
}

func TestReusePort(t *testing.T) {
	share := func(o *Options) { o.ReusePort = true }
	first := start(t, echoBridge(), share)
	second := start(t, echoBridge(), share, func(o *Options) { o.Address = first.Addr().String() })
	if resp, _ := get(t, second, "/healthz"); resp.StatusCode != 200 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	s, err := New(Options{Bridge: echoBridge(), Address: first.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err == nil {
		s.Close()
		t.Fatal("a port that is not shared was taken twice")
	}
}

func TestMachineConnections(t *testing.T) {
	if n := machineConnections(); n < 16 {
		t.Fatalf("room for %d connections", n)
	}
	if _, err := New(Options{}); err == nil {
		t.Fatal("a server without a bridge was made")
	}
}
