package sharingtest

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/census"
	"github.com/pulsegate/pulsegate/bridge/hub"
)

const partitionCount = 3

// partitionReaders is [readers] on a topic with partitions: each reader must
// get what each partition holds, from where it started, in its order. What comes of
// different partitions has no order.
func partitionReaders(r *round) {
	r.env.Partition(r, r.up, r.topic, partitionCount)
	b := r.bridge(hub.Options{
		TailBytes: 500 + r.random.IntN(3000), Linger: []time.Duration{-1, 5 * time.Millisecond}[r.random.IntN(2)],
	})
	total := r.env.Messages
	p := r.publisher(b, false)
	p.keys = 10 * partitionCount // enough that every partition gets some

	const clients = 8
	var work sync.WaitGroup
	for c := range clients {
		work.Go(func() {
			random := r.source(c)
			for over := false; !over && !r.Failed(); {
				leave := 1 + random.IntN(400)
				if p.confirmed() == total || c == 0 {
					leave = total + 1
				}
				over = readPartitions(r, b, p, random, total, leave)
			}
		})
	}
	for p.confirmed() < total && !r.Failed() {
		p.burst(1) // answers of different partitions have no order either
	}
	work.Wait()
	p.s.session.Close()
	r.await(b, func(g census.Gauges) bool {
		return g.ReaderSessions == 0 && g.UpstreamReaders == 0 && g.Tails == 0 && g.TailBytes == 0
	})
}

// readPartitions is the life of one reader. It reports that there is nothing left to read.
func readPartitions(r *round, b *hub.Hub, p *publisher, random *rand.Rand, total, leave int) bool {
	spec := bridge.ReaderSpec{Topic: r.topic, Queue: 1 + random.IntN(100), Start: bridge.StartEarliest}
	var from [partitionCount]int // it may get the numbers of a partition from there on
	sure := 0                    // and must get those from there on
	before := p.confirmed()
	switch kind := random.IntN(4); {
	case kind == 0 || kind == 1 && before == 0:
	case kind == 1:
		// What was published in the same millisecond may come of the other partitions.
		n := random.IntN(before)
		spec.Start, spec.Position, sure = bridge.StartAtPosition, p.id(n), n+1
		from[spec.Position.Partition] = n + 1
	default:
		spec.Start, from = bridge.StartLatest, [partitionCount]int{before, before, before}
	}
	o := bridge.ReadOptions{Window: 1 + random.IntN(50)}
	s := open(r, func(out bridge.Outlet, d bridge.Opened) func() { return b.Read(spec, o, out, d) })
	if s == nil {
		return true
	}
	defer s.session.Close()
	if spec.Start == bridge.StartLatest {
		sure = int(p.sent.Load())
	}
	read := &partitionReader{round: r, p: p, spec: &spec, from: from, sure: sure, last: [partitionCount]int{-1, -1, -1}}
	for leave > 0 {
		if p.confirmed() == total && read.done() {
			return true
		}
		frames := s.take(1+random.IntN(30), nil)
		if frames == nil {
			return true
		}
		for _, f := range frames {
			m, ok := parse(r, f)
			if !ok || !read.next(&m) {
				return true
			}
			s.ack(m.MessageID)
			leave--
		}
		if random.IntN(10) == 0 { // dawdle while the others go on
			for seen, i := p.confirmed(), 0; i < 20 && p.confirmed() < min(seen+50, total); i++ {
				time.Sleep(time.Millisecond)
			}
		}
	}
	return false
}

// partitionReader checks what one reader gets.
type partitionReader struct {
	*round
	p    *publisher
	spec *bridge.ReaderSpec
	from [partitionCount]int // the first number that may come
	sure int                 // the first number that must
	last [partitionCount]int
}

// due is the number that must come next of a partition, as far as is known; -1: none.
func (r *partitionReader) due(partition int) int {
	last := r.last[partition]
	for n := max(last+1, r.from[partition]); n < r.p.confirmed(); n++ {
		if int(r.p.id(n).Partition) == partition && (n >= r.sure || last >= 0) {
			return n
		}
	}
	return -1
}

func (r *partitionReader) done() bool {
	for partition := range r.last {
		if r.due(partition) >= 0 {
			return false
		}
	}
	return true
}

// next takes the next message and reports that all is well.
func (r *partitionReader) next(m *pushed) bool {
	for r.p.confirmed() <= m.number && !r.Failed() { // it may come before it is confirmed
		time.Sleep(100 * time.Microsecond)
	}
	if r.Failed() {
		return false
	}
	partition := int(m.id.Partition)
	last, want := r.last[partition], r.due(partition)
	early := last < 0 && m.number >= r.from[partition] && m.number < r.sure
	switch {
	case m.number != want && !early:
		r.Errorf("%+v: message %d came of partition %d where %d was due", r.spec, m.number, partition, want)
	case !same(m.id, r.p.id(m.number)):
		r.Errorf("%+v: message %d has the id %v, not %v", r.spec, m.number, m.id, r.p.id(m.number))
	default:
		r.last[partition] = m.number
		return true
	}
	return false
}
