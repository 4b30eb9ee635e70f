package server

import (
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/server/life"
)

// Pings of sessions opened at any time come together, never late, and never
// earlier than by a tenth of their interval.
func TestPingsComeTogether(t *testing.T) {
	for _, o := range []Options{
		{PingInterval: 30 * time.Second},
		{PingInterval: 3 * time.Second},
		{PingInterval: 300 * time.Millisecond},
		{IdleTimeout: 5 * time.Minute},
	} {
		o.Bridge = newFakeBridge()
		s, err := New(bounded(o))
		if err != nil {
			t.Fatal(err)
		}
		w := newWorker(s)
		span := s.set().ticks.ping
		if span == 0 {
			span = s.set().ticks.idle / 2
		}
		ticks := map[uint32]bool{}
		for opened := uint32(5000); opened < 5000+span; opened++ {
			c := &conn{s: s, w: w, lastPing: opened}
			c.lastSeen.Store(opened)
			at, ok := w.pingAt(c)
			if early := int32(opened + span - at); !ok || early < 0 || early > int32(span)/10 {
				t.Fatalf("%+v: a session of tick %d is pinged at %d (%v)", s.set().ticks, opened, at, ok)
			}
			ticks[at] = true
			if o.PingInterval > 0 { // and from then on with the same distance
				c.lastPing = at
				if next, _ := w.pingAt(c); next-at > span || next-at < span-span/10 {
					t.Fatalf("%+v: pings at %d and %d", s.set().ticks, at, next)
				}
			}
		}
		if most := max(int(span/min(s.set().ticks.second, max(span/10, 1)))+1, 2); len(ticks) > most {
			t.Errorf("%+v: pings at %d ticks, want %d at most", s.set().ticks, len(ticks), most)
		}
	}
}

// fillSession is a session that says when it is asked for output.
type fillSession struct {
	bridge.Session
	fill func()
}

func (s *fillSession) Fill(bridge.Writer) { s.fill() }

// A session with output does not wait until all deadlines of a tick are looked at.
func TestSweepGivesTurns(t *testing.T) {
	s, err := New(bounded(Options{Bridge: newFakeBridge()}))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorker(s)
	conns := make([]conn, 3*sweepTurn)
	for i := range conns {
		conns[i].s, conns[i].w = s, w
		conns[i].life.Store(uint32(life.Gone))
		w.wheel.Put(&conns[i], 1)
	}
	looked := -1
	waiting := &conn{s: s, w: w}
	waiting.life.Store(uint32(life.Open))
	waiting.session = &fillSession{fill: func() {
		looked = 0
		for i := range conns {
			if conns[i].link.Due() != 1 {
				looked++
			}
		}
	}}
	waiting.wake(wantFlush)
	s.clock.Store(1)
	w.sweep()
	if looked != sweepTurn {
		t.Fatalf("output was asked for after %d connections, want %d", looked, sweepTurn)
	}
	for i := range conns {
		if conns[i].link.Due() == 1 {
			t.Fatalf("connection %d was not looked at", i)
		}
	}
}
