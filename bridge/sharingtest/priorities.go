package sharingtest

import (
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

// priorities gives the sessions of a Shared subscription levels and windows.
// Whatever is free, the next message goes to the best level that has room: a broker
// does so among consumers, and no client can tell that there is one only.
func priorities(r *round) {
	b := r.bridge(bridge.Options{Linger: -1})
	const levels, sessions = 3, 9
	p := r.publisher(b, false)
	var all []*prioritySession
	var free [levels]int
	for range sessions {
		s := &prioritySession{level: r.random.IntN(levels), window: 1 + r.random.IntN(15)}
		spec := bridge.ConsumerSpec{
			Topic: r.topic, Subscription: "s", Type: bridge.Shared, Earliest: true, Queue: 10,
			PriorityLevel: s.level, HasPriority: true,
		}
		s.socket = open(r, func(out bridge.Outlet, d bridge.Opened) func() {
			return b.Consume(spec, bridge.ConsumeOptions{Window: s.window}, out, d)
		})
		if s.socket == nil {
			return
		}
		free[s.level] += s.window
		all = append(all, s)
	}
	r.await(b, func(g bridge.Gauges) bool { return g.ConsumerSessions == sessions })
	for phase := range 20 {
		room := free[0] + free[1] + free[2]
		n := r.random.IntN(room + 1)
		var want [levels]int
		for level, left := 0, n; level < levels; level++ {
			want[level] = min(left, free[level])
			left -= want[level]
		}
		if n > 0 {
			p.burst(n)
		}
		var got [levels]int
		for deadline := time.Now().Add(patience); got[0]+got[1]+got[2] < n && !r.Failed(); time.Sleep(time.Millisecond) {
			for _, s := range all {
				for _, f := range s.socket.takeNow(100) {
					if m, ok := parse(r, f); ok {
						s.held = append(s.held, m.MessageID)
						got[s.level]++
					}
				}
			}
			if time.Now().After(deadline) {
				r.Errorf("phase %d: %v of %d messages came", phase, got, n)
			}
		}
		if got != want {
			r.Errorf("phase %d: %d messages went to the levels as %v, want %v", phase, n, got, want)
		}
		if r.Failed() {
			break
		}
		for level := range levels {
			free[level] -= want[level]
		}
		for _, s := range all {
			for len(s.held) > 0 && r.random.IntN(3) > 0 {
				s.socket.ack(s.held[0])
				s.held = s.held[1:]
				free[s.level]++
			}
		}
	}
	for _, s := range all {
		s.socket.session.Close()
	}
	p.s.session.Close()
}

// prioritySession is one session of priorities.
type prioritySession struct {
	socket *socket
	level  int
	window int
	held   []string // ids of what it has not acknowledged
}
