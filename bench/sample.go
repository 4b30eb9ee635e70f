//go:build linux

package bench

import (
	"context"
	"os"
	"time"

	"github.com/pulsegate/pulsegate/bench/measure"
)

// sample is what was used up to a moment.
type sample struct {
	at      int64
	server  measure.Process
	metrics map[string]float64
	own     measure.Process
	machine measure.Machine
	loops   []time.Duration
}

// sampler reads what the server and the generator use.
type sampler struct {
	pid     int
	url     string
	trouble error // the first
}

const scrapeTimeout = 2 * time.Second

// server reads the server's costs, from its metrics if there is no pid.
func (s *sampler) server() measure.Process {
	if s.pid == 0 {
		m := s.scrape()
		// The usual names of a process's own metrics.
		return measure.Process{
			User:        time.Duration(m["process_cpu_seconds_total"] * float64(time.Second)),
			Anonymous:   int64(m["process_resident_memory_bytes"]),
			Descriptors: int(m["process_open_fds"]),
		}
	}
	p, err := measure.ReadProcess(s.pid)
	s.note(err)
	return p
}

func (s *sampler) note(err error) {
	if s.trouble == nil {
		s.trouble = err
	}
}

func (s *sampler) scrape() map[string]float64 {
	if s.url == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	m, err := measure.Scrape(ctx, s.url)
	s.note(err)
	return m
}

// take reads what processes and processors have used.
func (s *sampler) take(r *run) sample {
	machine, err := measure.ReadMachine()
	s.note(err)
	own, err := measure.ReadProcess(os.Getpid())
	s.note(err)
	t := sample{at: r.clock(), machine: machine, own: own, server: s.server(), loops: make([]time.Duration, len(r.workers))}
	r.all(func(w *worker) { w.loop.Measure() })
	for i, w := range r.workers {
		t.loops[i] = w.loop.CPU()
	}
	return t
}

// costs compares what was used before the first session, with all sessions, and
// at the end of the measurement.
func (s *sampler) costs(before, ramped, begin, end sample, open, openedInRamp int, measured *counts) *Server {
	if s.pid == 0 && s.url == "" {
		return nil
	}
	used := end.server.CPU() - begin.server.CPU()
	c := &Server{
		PID: s.pid, CPUSeconds: used.Seconds(), Cores: used.Seconds() / seconds(end.at-begin.at),
		MemoryBefore: before.server.Anonymous, MemoryOpen: begin.server.Anonymous, MemoryEnd: end.server.Anonymous,
		Threads: end.server.Threads, Descriptors: end.server.Descriptors, DescriptorsBefore: before.server.Descriptors,
	}
	if s.pid != 0 {
		c.UserSeconds = (end.server.User - begin.server.User).Seconds()
		c.SystemSeconds = (end.server.System - begin.server.System).Seconds()
	}
	if used > 0 {
		c.PublishedPerCPU = float64(measured[confirmed]) / used.Seconds()
		c.ReceivedPerCPU = float64(measured[received]) / used.Seconds()
	}
	if openedInRamp > 0 {
		c.OpenCPUMillis = (ramped.server.CPU() - before.server.CPU()).Seconds() * 1000 / float64(openedInRamp)
	}
	if open > 0 {
		c.BytesPerSession = float64(end.server.Anonymous-before.server.Anonymous) / float64(open)
	}
	if end.metrics != nil {
		c.Metrics = map[string]Metric{}
		for name, v := range end.metrics {
			c.Metrics[name] = Metric{v, v - begin.metrics[name]}
		}
	}
	if s.trouble != nil {
		c.Trouble = s.trouble.Error()
	}
	return c
}

func seconds(ns int64) float64 { return float64(ns) / float64(time.Second) }
