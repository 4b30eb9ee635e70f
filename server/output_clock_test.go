package server

import (
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/latency"
	"github.com/pulsegate/pulsegate/server/life"
)

// timedSession is a session that notes when it is written, and takes some time.
type timedSession struct {
	bridge.Session
	at time.Duration
}

func (s *timedSession) Fill(w bridge.Writer) {
	s.at = w.Now()
	for latency.Now() == s.at {
		continue
	}
}

// A few sessions in a row are written at one reading of the clock, and no others.
func TestOutputReadsClock(t *testing.T) {
	s, err := New(bounded(Options{Bridge: newFakeBridge()}))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorker(s)
	turn := func(n int) []*timedSession {
		all := make([]*timedSession, n)
		for i := range all {
			all[i] = &timedSession{}
			c := &conn{s: s, w: w, session: all[i]}
			c.life.Store(uint32(life.Open))
			c.wake(wantFlush)
		}
		w.work()
		return all
	}
	begin := latency.Now()
	first := turn(readEvery + 1)
	if first[0].at < begin || first[readEvery-1].at != first[0].at {
		t.Errorf("sessions in a row are written at %v and %v, and the turn began at %v", first[0].at, first[readEvery-1].at, begin)
	}
	if first[readEvery].at == first[0].at {
		t.Error("one that comes later is written at the same time")
	}
	next := turn(1)
	if next[0].at == first[readEvery].at {
		t.Error("one in another turn is written at the same time")
	}

	late := &timedSession{}
	c := &conn{s: s, w: w, session: late}
	c.life.Store(uint32(life.Opening)) // it passes when it wakes the worker
	c.wake(wantFlush)
	c.life.Store(uint32(life.Open))
	if last := turn(1); late.at == 0 || late.at == last[0].at {
		t.Errorf("one that has just opened is written at %v, behind one that is written at %v", late.at, last[0].at)
	}
}
