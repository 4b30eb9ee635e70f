//go:build linux

package bench

import (
	"github.com/pulsegate/pulsegate/bench/measure"
)

// collector puts the workers' reports together.
type collector struct {
	e     *execution
	phase string
	began int64

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
	Asked       int     // sessions
	OpenedInAll uint64  // sessions since the run began: not every span is told, see shortestTold
	Left        float64 // seconds of the phase; 0: unknown
	Faults      int     // different ones so far
}

// shortestTold is the shortest span, in seconds, that is told as progress: where
// one phase follows the other there may be shorter ones.
const shortestTold = 0.05

func newCollector(e *execution) *collector {
	now := e.clock()
	return &collector{
		e: e, began: now, lastAt: now,
		openLatency: measure.NewLatency(), publish: measure.NewLatency(), endToEnd: measure.NewLatency(), lateness: measure.NewLatency(),
		lastCPU: e.sampler.server(), lastOwn: e.fleet.usage().Own,
	}
}

// collect takes the workers' reports. With a phase it adds to the series.
func (c *collector) collect() {
	reports := c.e.fleet.reports()
	if reports == nil {
		return
	}
	opening, publish, endToEnd := measure.NewLatency(), measure.NewLatency(), measure.NewLatency()
	for _, r := range reports {
		opening.Add(r.OpenLatency)
		publish.Add(r.Publish)
		endToEnd.Add(r.EndToEnd)
	}
	c.fold(reports)
	c.second(opening.Percentiles(), publish.Percentiles(), endToEnd.Percentiles())
}

// fold takes in what the workers have counted.
func (c *collector) fold(reports []*report) {
	c.total, c.open, c.backlog, c.unanswered, c.unsent, c.faults = counts{}, 0, 0, 0, 0, map[string]uint64{}
	for _, r := range reports {
		c.total.add(&r.Counts)
		c.open += r.Open
		c.backlog, c.unanswered, c.unsent = c.backlog+r.Backlog, c.unanswered+r.Unanswered, c.unsent+r.Unsent
		for text, n := range r.Faults {
			c.faults[text] += n
		}
		c.openLatency.Add(r.OpenLatency)
		c.publish.Add(r.Publish)
		c.endToEnd.Add(r.EndToEnd)
		c.lateness.Add(r.Lateness)
	}
}

// second adds to the series what happened since the last one.
func (c *collector) second(opening, publish, endToEnd measure.Percentiles) {
	now := c.e.clock()
	d, span := c.total.since(&c.last), seconds(now-c.lastAt)
	s := Second{
		Phase: c.phase, At: seconds(now - c.began), Span: span, Open: c.open,
		Opened: d[opened], Failed: d[openFailed], Confirmed: d[confirmed], Errors: d[sendErrors], Received: d[received], Backlog: c.backlog,
		Publish: publish, EndToEnd: endToEnd, Opening: opening,
	}
	server, own := c.e.sampler.server(), c.e.fleet.usage().Own
	if span > 0 {
		s.ServerCPU = (server.CPU() - c.lastCPU.CPU()).Seconds() / span
		s.OwnCPU = (own.CPU() - c.lastOwn.CPU()).Seconds() / span
	}
	s.Memory, s.Threads, s.Descriptors = server.Anonymous, server.Threads, server.Descriptors
	c.last, c.lastAt, c.lastCPU, c.lastOwn = c.total, now, server, own
	c.series = append(c.series, s)
	if c.e.watch != nil && span >= shortestTold {
		p := Progress{Second: s, Asked: c.e.plan.sessions(), OpenedInAll: c.total[opened], Faults: len(c.faults)}
		if c.e.end > now {
			p.Left = seconds(c.e.end - now)
		}
		c.e.watch(p)
	}
}
