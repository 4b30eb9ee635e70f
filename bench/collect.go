//go:build linux

package bench

import (
	"os"

	"github.com/pulsegate/pulsegate/bench/measure"
)

// collector puts the workers' reports together.
type collector struct {
	run     *run
	sampler *sampler
	phase   string
	began   int64
	watch   func(Progress)
	ends    func() int64 // when the phase ends, for the progress; 0: unknown

	total       counts
	last        counts
	lastAt      int64
	lastCPU     measure.Process
	lastOwn     measure.Process
	open        int
	backlog     uint64
	unanswered  uint64
	unsent      uint64
	faults      map[string]uint64
	openLatency *measure.Latency
	publish     *measure.Latency
	endToEnd    *measure.Latency
	lateness    *measure.Latency
	series      []Second
}

// Progress is what a run tells while it is under way.
type Progress struct {
	Second
	Asked  int     // sessions
	Left   float64 // seconds of the phase; 0: unknown
	Faults int     // different ones so far
}

// shortestTold is the shortest span, in seconds, that is told as progress: where
// one phase follows the other there may be shorter ones.
const shortestTold = 0.05

func newCollector(r *run, s *sampler, watch func(Progress)) *collector {
	c := &collector{
		run: r, sampler: s, watch: watch, began: r.clock(), lastAt: r.clock(),
		openLatency: measure.NewLatency(), publish: measure.NewLatency(), endToEnd: measure.NewLatency(), lateness: measure.NewLatency(),
	}
	c.lastCPU = s.server()
	c.lastOwn, _ = measure.ReadProcess(os.Getpid()) // it reads itself
	return c
}

// collect takes the workers' reports. With a phase it adds to the series.
func (c *collector) collect() {
	reports := make([]*report, len(c.run.workers))
	index := map[*worker]int{}
	for i, w := range c.run.workers {
		index[w] = i
	}
	c.run.all(func(w *worker) { reports[index[w]] = w.report() })
	var total counts
	open := 0
	var backlog, unanswered, unsent uint64
	faults := map[string]uint64{}
	opening, publish, endToEnd := measure.NewLatency(), measure.NewLatency(), measure.NewLatency()
	for _, r := range reports {
		if r == nil {
			return // the loops have ended
		}
		total.add(&r.counts)
		open += r.open
		backlog, unanswered, unsent = backlog+r.backlog, unanswered+r.unanswered, unsent+r.unsent
		for text, n := range r.faults {
			faults[text] += n
		}
		opening.Add(r.openLatency)
		publish.Add(r.publish)
		endToEnd.Add(r.endToEnd)
		c.lateness.Add(r.lateness)
	}
	c.total, c.open = total, open
	c.backlog, c.unanswered, c.unsent, c.faults = backlog, unanswered, unsent, faults
	c.openLatency.Add(opening)
	c.publish.Add(publish)
	c.endToEnd.Add(endToEnd)
	c.second(opening.Percentiles(), publish.Percentiles(), endToEnd.Percentiles())
}

// second adds to the series what happened since the last one.
func (c *collector) second(opening, publish, endToEnd measure.Percentiles) {
	now := c.run.clock()
	d, span := c.total.since(&c.last), seconds(now-c.lastAt)
	s := Second{
		Phase: c.phase, At: seconds(now - c.began), Span: span, Open: c.open,
		Opened: d[opened], Failed: d[openFailed], Confirmed: d[confirmed], Errors: d[sendErrors], Received: d[received], Backlog: c.backlog,
		Publish: publish, EndToEnd: endToEnd, Opening: opening,
	}
	server := c.sampler.server()
	own, _ := measure.ReadProcess(os.Getpid())
	if span > 0 {
		s.ServerCPU = (server.CPU() - c.lastCPU.CPU()).Seconds() / span
		s.OwnCPU = (own.CPU() - c.lastOwn.CPU()).Seconds() / span
	}
	s.Memory = server.Anonymous
	c.last, c.lastAt, c.lastCPU, c.lastOwn = c.total, now, server, own
	c.series = append(c.series, s)
	if c.watch != nil && span >= shortestTold {
		p := Progress{Second: s, Asked: c.run.plan.sessions(), Faults: len(c.faults)}
		if end := c.ends(); end > now {
			p.Left = seconds(end - now)
		}
		c.watch(p)
	}
}
