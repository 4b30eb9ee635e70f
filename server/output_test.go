package server

import (
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/server/tlsconf"
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
	s, err := New(bounded(Options{Bridge: echoBridge(), Address: first.Addr().String()}))
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
}

// A bound that is missing is named, before anything is opened.
func TestMissingOptions(t *testing.T) {
	for name, leave := range map[string]func(*Options){
		"Bridge":           func(o *Options) { o.Bridge = nil },
		"MaxURLBytes":      func(o *Options) { o.MaxURLBytes = 0 },
		"MaxHeaderBytes":   func(o *Options) { o.MaxHeaderBytes = 0 },
		"HandshakeTimeout": func(o *Options) { o.HandshakeTimeout = 0 },
		"MaxMessage":       func(o *Options) { o.MaxMessage = 0 },
		"MaxUnread":        func(o *Options) { o.MaxUnread = 0 },
		"TLSRefresh":       func(o *Options) { o.TLSRefresh, o.TLS = 0, &tlsconf.Source{} },
	} {
		o := bounded(Options{Bridge: newFakeBridge()})
		leave(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), "Options."+name+" ") {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if _, err := New(bounded(Options{Bridge: newFakeBridge()})); err != nil {
		t.Fatal(err)
	}
}
