//go:build linux

package bench

import (
	"fmt"
	"time"

	"github.com/pulsegate/pulsegate/bench/measure"
)

// The generator is taken for the limit when a loop was busy for more than this
// share of its time, and the machine when so little of it was idle.
const (
	loopIsFull    = 0.85
	machineIsFull = 0.03
	isLate        = 5 * time.Millisecond
)

// summarize fills the result when all loops have ended.
func (e *execution) summarize(openAtEnd int, interrupted bool, l ledger, tallies []tally) {
	c, res := e.c, e.result
	span := seconds(e.final.at - e.begin.at)
	res.Interrupted, res.Seconds, res.Faults, res.Series = interrupted, span, c.faults, c.series
	res.Load = e.load(tallies)
	t := &c.total
	res.Sessions = Sessions{
		Asked: e.plan.sessions(), Open: openAtEnd, Opened: t[opened], Failed: t[openFailed], Dropped: t[dropped], Ended: t[ended],
		RampUp: e.rampSeconds,
	}
	if e.rampSeconds > 0 {
		res.Sessions.PerSec = float64(e.rampOpened) / e.rampSeconds
	}
	res.Messages = Messages{
		Sent: t[sent], Confirmed: t[confirmed], Errors: t[sendErrors], Unanswered: c.unanswered, Unsent: c.unsent,
		Stray: t[strayReplies], Late: t[lateReplies],
		Received: t[received], Expected: t[expected], Delivered: t[delivered] - l.Repeated, Lost: l.Lost, NotYet: l.Behind, Repeated: t[repeated] + l.Repeated,
		Reordered: t[reordered], Redelivered: t[redelivered], Foreign: t[foreign], BadFrames: t[badFrames],
	}
	m := &e.measured
	if span > 0 {
		res.Rates = Rates{
			Published: float64(m[confirmed]) / span, Received: float64(m[received]) / span,
			BytesIn: float64(m[bytesIn]) / span, BytesOut: float64(m[bytesOut]) / span,
		}
		res.Sessions.ChurnSec = float64(m[opened]) / span
	}
	res.Latency = Latencies{Open: latency(c.openLatency), Publish: latency(c.publish), EndToEnd: latency(c.endToEnd)}
	if span > 0 {
		res.Server = e.sampler.costs(e.before, e.ramped, e.begin, e.final, openAtEnd, e.rampOpened, m)
	}
	res.Generator = e.generator(span)
	res.Kernel = e.sampler.inKernel(&e.before, &e.begin, openAtEnd)
}

func (e *execution) load(tallies []tally) Load {
	p := e.plan
	l := Load{
		Topics: p.Topics, Payload: p.Message.Size, Rate: p.Rate, Window: p.Window, Backlog: p.Backlog,
		Sources: max(len(p.Sources), len(chooseSources(p))), RampUp: p.RampUp.Seconds(), WarmUp: p.WarmUp.Seconds(), Duration: p.Duration.Seconds(),
	}
	if p.Message.File != nil {
		l.Payload = len(p.Message.File)
	}
	for i, g := range p.Groups {
		l.Groups = append(l.Groups, GroupLoad{g.Name, g.Kind, g.Sessions, int(tallies[i].Opened), int(tallies[i].Failed)})
	}
	return l
}

// generator judges the generator's own part.
func (e *execution) generator(span float64) Generator {
	g := Generator{Processes: e.plan.Processes, Memory: e.final.own.Anonymous, MachineIdle: 1, LateP99: latency99(e.c.lateness)}
	if e.rampOpened >= 10*fewSessions*e.plan.Processes { // else what a process needs anyway is more
		g.BytesPerSession = max(0, float64(e.ramped.own.Anonymous-e.before.own.Anonymous)/float64(e.rampOpened))
	}
	if span <= 0 {
		return g
	}
	g.Cores = (e.final.own.CPU() - e.begin.own.CPU()).Seconds() / span
	for i := range e.final.loops {
		g.BusiestLoop = max(g.BusiestLoop, (e.final.loops[i]-e.begin.loops[i]).Seconds()/span)
	}
	idle, busy := e.final.machine.Idle-e.begin.machine.Idle, e.final.machine.Busy-e.begin.machine.Busy
	if idle+busy > 0 {
		g.MachineIdle = idle.Seconds() / (idle + busy).Seconds()
	}
	warn := func(format string, args ...any) {
		g.Limit = true
		g.Warnings = append(g.Warnings, fmt.Sprintf(format, args...))
	}
	if g.BusiestLoop > loopIsFull {
		warn("the generator was probably the limit: its busiest event loop used %.0f %% of a core; use more --loops, --processes or machines", 100*g.BusiestLoop)
	}
	if g.MachineIdle < machineIsFull {
		warn("this machine had no CPU to spare (%.0f %% idle): what runs on it, generator and perhaps server, held each other up", 100*g.MachineIdle)
	}
	if g.LateP99 > isLate.Seconds()*1000 {
		warn("the generator came late to 1 %% of the messages, by %.1f ms or more, which is in their latency", g.LateP99)
	}
	return g
}

func latency(l *measure.Latency) Latency {
	return Latency{l.Percentiles(), l.Distribution()}
}

func latency99(l *measure.Latency) float64 { return l.Percentiles().P99 }
