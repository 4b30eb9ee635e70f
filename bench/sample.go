//go:build linux

package bench

import (
	"context"
	"time"

	"github.com/pulsegate/pulsegate/bench/measure"
)

// sample is what was used up to a moment.
type sample struct {
	at      int64
	server  measure.Process
	most    int // descriptors of the server's process that has most
	kernel  measure.Kernel
	metrics map[string]float64
	own     measure.Process
	machine measure.Machine
	loops   []time.Duration
}

// sampler reads what the server uses. A server may have several processes.
type sampler struct {
	pids    []int
	urls    []string
	kernel  bool  // its memory is looked at
	buffers int64 // the most that sockets have held
	trouble error // the first
}

const scrapeTimeout = 2 * time.Second

// server reads the server's costs, from its metrics if there is no pid.
func (s *sampler) server() measure.Process {
	sum, _ := s.processes()
	return sum
}

// processes is server, with the descriptors of the process that has most.
func (s *sampler) processes() (sum measure.Process, most int) {
	if len(s.pids) == 0 {
		m := s.scrape()
		// The usual names of a process's own metrics.
		return measure.Process{
			User:        time.Duration(m["process_cpu_seconds_total"] * float64(time.Second)),
			Anonymous:   int64(m["process_resident_memory_bytes"]),
			Descriptors: int(m["process_open_fds"]),
		}, 0
	}
	for _, pid := range s.pids {
		p, err := measure.ReadProcess(pid)
		s.note(err)
		sum.Add(p)
		most = max(most, p.Descriptors)
	}
	return sum, most
}

// lookAtBuffers keeps the most that sockets have held.
func (s *sampler) lookAtBuffers() {
	if s.kernel {
		_, n := measure.ReadSockets()
		s.buffers = max(s.buffers, n)
	}
}

func (s *sampler) note(err error) {
	if s.trouble == nil {
		s.trouble = err
	}
}

func (s *sampler) scrape() map[string]float64 {
	if len(s.urls) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	sums := map[string]float64{}
	for _, url := range s.urls {
		m, err := measure.Scrape(ctx, url)
		s.note(err)
		for name, v := range m {
			sums[name] += v
		}
	}
	return sums
}

// take reads what processes and processors have used.
func (s *sampler) take(now int64, f fleet) sample {
	machine, err := measure.ReadMachine()
	s.note(err)
	u := f.usage()
	took := sample{at: now, machine: machine, own: u.Own, loops: u.Loops}
	took.server, took.most = s.processes()
	if s.kernel {
		took.kernel, err = measure.ReadKernel()
		s.note(err)
	}
	return took
}

// slabsTold is how many of the kernel's pools are told.
const slabsTold = 10

// inKernel is what the kernel has had for the sessions; nil: too few to tell.
func (s *sampler) inKernel(before, begin *sample, open int) *Kernel {
	if !s.kernel || open < manySessions {
		return nil
	}
	grown := begin.kernel.Memory - before.kernel.Memory
	return &Kernel{
		Memory: grown, BytesPerSession: float64(grown) / float64(open), Slabs: begin.kernel.Grown(&before.kernel, slabsTold),
		Sockets: begin.kernel.Sockets, Available: begin.kernel.Available, MostBuffers: max(s.buffers, begin.kernel.Buffers),
	}
}

// costs compares what was used before the first session, with all sessions, and
// at the end of the measurement.
func (s *sampler) costs(before, ramped, begin, end sample, open, openedInRamp int, measured *counts) *Server {
	if len(s.pids) == 0 && len(s.urls) == 0 {
		return nil
	}
	used := end.server.CPU() - begin.server.CPU()
	c := &Server{
		PIDs: s.pids, CPUSeconds: used.Seconds(), Cores: used.Seconds() / seconds(end.at-begin.at),
		MemoryBefore: before.server.Anonymous, MemoryOpen: begin.server.Anonymous, MemoryEnd: end.server.Anonymous,
		Threads: end.server.Threads, MostDescriptors: end.most, Descriptors: end.server.Descriptors, DescriptorsBefore: before.server.Descriptors,
	}
	if len(s.pids) > 0 {
		c.UserSeconds = (end.server.User - begin.server.User).Seconds()
		c.SystemSeconds = (end.server.System - begin.server.System).Seconds()
	}
	if used > 0 {
		c.PublishedPerCPU = float64(measured[confirmed]) / used.Seconds()
		c.ReceivedPerCPU = float64(measured[received]) / used.Seconds()
	}
	if openedInRamp >= fewSessions {
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
