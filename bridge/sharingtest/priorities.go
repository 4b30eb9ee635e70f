package sharingtest

import (
	"slices"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/hub"
)

// priorities lets sessions of a Shared subscription come and go that have
// levels and always have room. Each message goes to the best level that is there,
// whether its sessions share an upstream consumer or not.
func priorities(r *round) {
	b := r.bridge(hub.Options{SharedConsumers: 1 + r.random.IntN(4)})
	l := &levels{round: r, b: b, p: r.publisher(b, false)}
	for step := 0; step < 60 && !r.Failed(); step++ {
		switch n := len(l.all); {
		case n == 0 || n < 9 && r.random.IntN(4) == 0:
			l.come(r.random.IntN(3))
		case n > 1 && r.random.IntN(4) == 0:
			l.leave(r.random.IntN(n))
		}
		for range 1 + r.random.IntN(3) {
			l.publish()
		}
	}
	for len(l.all) > 0 && !r.Failed() {
		l.leave(0)
	}
	l.p.s.session.Close()
}

// levels are the sessions of priorities.
type levels struct {
	*round
	b   *hub.Hub
	p   *publisher
	all []*leveled // best first
	// new tells that no message has come to the best level since it, or who is of
	// it, changed: the broker may not know yet that those have room.
	new bool
}

type leveled struct {
	*socket
	level int
}

// come opens a session.
func (l *levels) come(level int) {
	spec := bridge.ConsumerSpec{
		Topic: l.topic, Subscription: "s", Type: bridge.Shared, Earliest: true, Queue: 10, PriorityLevel: level,
	}
	s := open(l.round, func(out bridge.Outlet, d bridge.Opened) func() {
		return l.b.Consume(spec, bridge.ConsumeOptions{Window: 4 + l.random.IntN(10)}, out, d)
	})
	if s == nil {
		return
	}
	l.new = l.new || len(l.all) == 0 || level < l.all[0].level
	l.all = append(l.all, &leveled{s, level})
	slices.SortStableFunc(l.all, func(a, b *leveled) int { return a.level - b.level })
}

// leave closes a session.
func (l *levels) leave(i int) {
	l.new = l.new || l.all[i].level == l.all[0].level
	l.all[i].session.Close()
	l.all = slices.Delete(l.all, i, i+1)
}

// publish publishes a message and looks where it comes.
func (l *levels) publish() {
	if l.Failed() {
		return
	}
	l.p.burst(1)
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Microsecond) {
		for _, s := range l.all {
			for _, f := range s.takeNow(1) {
				m, ok := parse(l, f)
				if !ok {
					return
				}
				s.ack(m.MessageID)
				switch {
				case s.level == l.all[0].level:
					l.new = false
				case !l.new:
					l.Errorf("message %d came to level %d while level %d was there", m.number, s.level, l.all[0].level)
				}
				return
			}
		}
		if time.Now().After(deadline) {
			l.Errorf("message %d did not come", l.p.sent.Load()-1)
			return
		}
	}
}
