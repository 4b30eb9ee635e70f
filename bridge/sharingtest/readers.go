package sharingtest

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/census"
	"github.com/pulsegate/pulsegate/bridge/hub"
	"github.com/pulsegate/pulsegate/codec"
)

// readers lets readers of all kinds come, dawdle and go while messages are
// published, over a ring of so few frames that slow ones fall out of it all the
// time. Each must read, from where it started, exactly what a reader of its own reads:
// no gap, no repeat, no other order, the same ids.
func readers(r *round) {
	b := r.bridge(hub.Options{
		TailBytes: 500 + r.random.IntN(5000), Linger: []time.Duration{-1, 5 * time.Millisecond}[r.random.IntN(2)],
	})
	total := r.env.Messages
	p := r.publisher(b, r.random.IntN(2) == 0)

	const clients = 12
	var work sync.WaitGroup
	var mu sync.Mutex
	var lives []*readerLife
	for c := range clients {
		work.Go(func() {
			random := r.source(c)
			for {
				leave := 1 + random.IntN(400) // messages until this reader leaves
				if p.confirmed() == total || c == 0 {
					leave = total + 1 // stays to the end
				}
				life := readSome(r, b, p, random, total, leave)
				mu.Lock()
				lives = append(lives, life)
				mu.Unlock()
				if life.over || r.Failed() {
					return
				}
			}
		})
	}
	p.until(total)
	work.Wait()
	p.s.session.Close()

	model := r.readAll(total)
	for _, life := range lives {
		for i, id := range life.ids {
			if at := life.first + i; at >= len(model) || !same(model[at].ID, id) || string(model[at].Payload) != strconv.Itoa(at) {
				r.Errorf("%+v: message %d, the number %d, is not what the topic holds there", life.spec, i, at)
				break
			}
		}
	}
	r.await(b, func(g census.Gauges) bool {
		return g.ReaderSessions == 0 && g.UpstreamReaders == 0 && g.Tails == 0 && g.TailBytes == 0
	})
}

// readerLife is what one reader session read.
type readerLife struct {
	spec  bridge.ReaderSpec
	first int               // the number it read first
	ids   []codec.MessageID // of all, in order
	over  bool              // it read the last number, or there is nothing to read
}

// readSome is the life of one reader.
func readSome(r *round, b *hub.Hub, p *publisher, random *rand.Rand, total, leave int) *readerLife {
	life := &readerLife{spec: bridge.ReaderSpec{Topic: r.topic, Queue: 1 + random.IntN(100)}}
	spec := &life.spec
	before := p.confirmed()
	low, high := 0, 0 // the first number must be among these
	switch kind := random.IntN(4); {
	case kind == 0 || before == 0:
		spec.Start = bridge.StartEarliest
	case kind == 1:
		n := random.IntN(before)
		spec.Start, spec.Position = bridge.StartAtPosition, p.id(n)
		low, high = n+1, n+1
	case kind == 2: // near the end, where the ring may hold the position
		n := max(0, before-1-random.IntN(20))
		spec.Start, spec.Position = bridge.StartAtPosition, p.id(n)
		low, high = n+1, n+1
	default:
		spec.Start = bridge.StartLatest
		low = before
	}
	o := bridge.ReadOptions{Window: 1 + random.IntN(50)}
	s := open(r, func(out bridge.Outlet, d bridge.Opened) func() { return b.Read(*spec, o, out, d) })
	life.over = true
	if s == nil {
		return life
	}
	defer s.session.Close()
	if spec.Start == bridge.StartLatest {
		// What was under way while it opened may belong to either side.
		high = int(p.sent.Load())
	}
	if low >= total || spec.Start == bridge.StartLatest && high >= total {
		return life
	}
	next := -1
	for leave > 0 {
		frames := s.take(1+random.IntN(30), nil)
		if frames == nil {
			return life
		}
		for _, f := range frames {
			m, ok := parse(r, f)
			switch {
			case !ok:
				return life
			case next < 0 && (m.number < low || m.number > high):
				r.Errorf("%+v: the first message is %d, want %d to %d", spec, m.number, low, high)
				return life
			case next < 0:
				life.first = m.number
			case m.number != next:
				r.Errorf("%+v: message %d came where %d was due", spec, m.number, next)
				return life
			}
			next = m.number + 1
			leave--
			life.ids = append(life.ids, m.id)
			s.ack(m.MessageID)
			if m.number == total-1 {
				return life
			}
		}
		if random.IntN(10) == 0 { // dawdle while the others go on
			for seen, i := p.confirmed(), 0; i < 20 && p.confirmed() < min(seen+50, total); i++ {
				time.Sleep(time.Millisecond)
			}
		}
	}
	life.over = false
	return life
}
