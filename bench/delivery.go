//go:build linux

package bench

import (
	"sync"

	"github.com/pulsegate/pulsegate/bench/frames"
	"github.com/pulsegate/pulsegate/bench/measure"
)

// delivery is one subscription on a topic, or one reader: what must get every
// message once. The sessions of a subscription may be on several loops.
type delivery struct {
	topic int
	name  string // see [Group.deliveryName]
	// loose: what it misses does not count as lost. It is slow, nobody sends to it,
	// or it was not there when sending began. It may change, under mu, until the
	// first of its sessions is open.
	loose bool

	mu      sync.Mutex
	opened  bool // one of its sessions was open
	sources measure.Sources[measure.Sequence]
}

// saw takes note of a message and reports whether it is new.
func (d *delivery) saw(s *frames.Stamp, ours bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	seq := d.sources.Get(s.Source)
	if !ours {
		seq.Begin(s.Seq)
	}
	return seq.Saw(s.Seq)
}

func watchedOf(deliveries []*delivery, topics int) watched {
	w := watched{Own: make([]uint64, topics), Shared: map[string]int{}}
	for _, d := range deliveries {
		d.mu.Lock()
		switch {
		case !d.opened || d.loose:
		case d.name != "":
			w.Shared[d.name] = d.topic
		default:
			w.Own[d.topic]++
		}
		d.mu.Unlock()
	}
	return w
}

// ledgerOf counts the confirmed messages that did not reach a subscription or
// reader. When subscriptions are spread, other processes may have a part of each.
func ledgerOf(deliveries []*delivery, byTopic [][]published, spread bool) (l ledger) {
	for _, d := range deliveries {
		switch {
		case !d.opened || d.loose:
		case d.name != "" && spread:
			d.sources.Each(func(source measure.Source, s *measure.Sequence) {
				l.Shared = append(l.Shared, sharedSeen{d.name, d.topic, source, s.Spans()})
			})
		case len(byTopic[d.topic]) == 0: // others' messages: only gaps are known
			d.sources.Each(func(_ measure.Source, s *measure.Sequence) { l.Lost += s.Missing() })
		default:
			for _, p := range byTopic[d.topic] {
				seen := d.sources.Get(p.Source)
				l.Lost += seen.Lost(p.Sent, p.Excused)
				l.Behind += seen.Behind(p.Sent, p.Excused)
			}
		}
	}
	return l
}

func publishedByTopic(all []published, topics int) [][]published {
	byTopic := make([][]published, topics)
	for _, p := range all {
		byTopic[p.Topic] = append(byTopic[p.Topic], p)
	}
	return byTopic
}
