//go:build linux

package bench

import (
	"fmt"
	"runtime"
	"testing"
	"unsafe"

	"github.com/pulsegate/pulsegate/bench/frames"
)

// What a session needs here is what is made for it before anything is opened: an
// open one that is idle holds no buffer.
func TestIdleSessionIsSmall(t *testing.T) {
	const sessions, most = 10_000, 600
	for _, kind := range []Kind{Producer, Consumer, Reader} {
		p := planFor("ws://127.0.0.1:1", func(p *Plan) {
			p.Groups = []Group{{Name: "idle", Kind: kind, Sessions: sessions, Subscription: "s", Idle: true}}
		})
		if err := p.Target.resolve(t.Context()); err != nil {
			t.Fatal(err)
		}
		template, err := frames.NewTemplate(p.Message)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r, err := newRun(&p, 1, template, wallClock(), alone)
		if err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / sessions; each > most {
			t.Errorf("%s: %d bytes for a session, of them %d for its struct", kind, each, unsafe.Sizeof(session{}))
		} else {
			t.Log(kind, fmt.Sprint(each), "bytes")
		}
		r.close()
	}
}
