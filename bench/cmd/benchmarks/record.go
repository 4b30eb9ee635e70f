//go:build pulsar && linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulsegate/pulsegate/bench"
	"github.com/pulsegate/pulsegate/bench/scenario"
)

// recordScenario is the file with what is done with very many readers.
const recordScenario = "bench/record.yaml"

// recordPing is how often the gateway pings a session of a record, in seconds. It is as long as
// the sessions are looked at while idle, so that each is pinged once meanwhile. Two processors that
// also do the clients' part have no time for a million pings every half minute.
const recordPing = 60

// record is one message to very many idle readers.
type record struct {
	Measured  time.Time     `json:"measured"`
	Version   string        `json:"version"` // of pulsegate
	Quick     bool          `json:"quick,omitempty"`
	Command   string        `json:"command"`
	Sessions  int           `json:"sessions"`
	Processes int           `json:"processes"` // of pulsegate, and as many of the generator
	Ping      int           `json:"ping"`      // seconds
	Result    *bench.Result `json:"result"`
}

// mostProcesses bounds those of the gateway, as there are as many of the generator: with more, they
// would be measured rather than their sessions.
const mostProcesses = 100

// measureRecord measures one with as many readers as asked for. Only a whole one is kept.
func measureRecord(ctx context.Context, o *options, m *measured) error {
	processes, err := processesFor(o.record)
	if err != nil {
		return err
	}
	set := []string{"readers=" + strconv.Itoa(o.record), "processes=" + strconv.Itoa(processes)}
	if o.quick {
		set = append(set, quickly...)
	}
	trials, err := scenario.Read(recordScenario, set, nil)
	if err != nil {
		return err
	}
	s, err := start(ctx, o.binary, bench.Trial{}, nil)
	if err != nil {
		return err
	}
	defer s.stop()
	conf := maps.Clone(common)
	conf["webSocketPingDurationSeconds"] = strconv.Itoa(recordPing)
	if s.gateway, err = startGateway(ctx, s.binary, processes, conf, s.upstream()); err != nil {
		return err
	}
	c := bench.Contestant{Name: ours}
	s.gateway.tell(&c)
	plan, err := trials[0].Plan(c)
	if err != nil {
		return err
	}
	plan.PIDs, plan.Worker = c.PIDs, []string{o.load, "worker"}
	title := fmt.Sprintf("== %s idle readers, %d processes of pulsegate and as many of the generator", bench.Number(float64(o.record)), processes)
	r, err := bench.Run(ctx, plan, bench.NewDisplay(os.Stderr, false).Start(title))
	if err != nil {
		return err
	}
	if err := bench.WriteSummary(os.Stderr, r); err != nil {
		return err
	}
	if r.Interrupted || r.Faulty() || r.Messages.Delivered != uint64(o.record) {
		return errors.New("not all readers opened, stayed and got the message: what was measured before is kept")
	}
	version, err := exec.Command(o.binary, "version").Output()
	if err != nil {
		return fmt.Errorf("ask pulsegate for its version: %w", err)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(version)), "\n")
	kernel := r.Kernel
	slim(r)
	r.Kernel = kernel
	m.Machine = thisMachine()
	m.addRecord(record{
		Measured: time.Now().UTC().Truncate(time.Second), Version: first, Quick: o.quick, Command: trials[0].Command,
		Sessions: o.record, Processes: processes, Ping: recordPing, Result: r,
	})
	return m.save(o.results)
}

// addRecord puts a record in the place of an earlier one with as many sessions.
func (m *measured) addRecord(r record) {
	m.Records = append(slices.DeleteFunc(m.Records, func(x record) bool { return x.Sessions == r.Sessions }), r)
	slices.SortFunc(m.Records, func(a, b record) int { return cmp.Compare(a.Sessions, b.Sessions) })
}

// processesFor is over how many processes so many sessions are spread, each of which may have the
// descriptors that this one may have.
func processesFor(sessions int) (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the limit of file descriptors: %w", err)
	}
	n := spreadOver(sessions, roomIn(limit.Cur))
	if n == 0 || n > mostProcesses {
		return 0, fmt.Errorf("%d readers need more than %d processes if each may have %d file descriptors: raise that with `ulimit -n`", sessions, mostProcesses, limit.Cur)
	}
	return n, nil
}

// roomIn is how many sessions pulsegate takes in a process with so many descriptors: it keeps some
// for itself.
func roomIn(descriptors uint64) int {
	return int(min(descriptors, 1<<20))*97/100 - 64 - 256
}

// spreadOver is the smallest number of processes none of which gets more sessions than it has room
// for. The kernel spreads connections by a hash, so by chance: six standard deviations over the
// mean are never seen. 0: there is no room for it in any number.
func spreadOver(sessions, room int) int {
	for n := 1; n <= sessions; n++ {
		mean := float64(sessions) / float64(n)
		if n > 1 {
			mean += 6 * math.Sqrt(mean)
		}
		if mean <= float64(room) {
			return n
		}
	}
	return 0
}

// largest is the record of most sessions; nil: none.
func (m *measured) largest() *record {
	if len(m.Records) == 0 {
		return nil
	}
	return &m.Records[len(m.Records)-1]
}

// number is how many sessions there were, for people; "" for none.
func (r *record) number() string {
	if r == nil {
		return ""
	}
	return bench.Number(float64(r.Sessions))
}

// sources is from how many addresses they came.
func (r *record) sources() string {
	if r == nil {
		return ""
	}
	return bench.Number(float64(r.Result.Load.Sources))
}

func (r *record) version() string {
	if r == nil {
		return ""
	}
	return strings.TrimPrefix(r.Version, "pulsegate ")
}

// recordTable has a column for each number of sessions.
func (m *measured) recordTable() string {
	if len(m.Records) == 0 {
		return "Not measured yet.\n"
	}
	t := &table{}
	head := []string{"idle readers"}
	for _, r := range m.Records {
		head = append(head, bench.Number(float64(r.Sessions)))
	}
	t.add(head...)
	line := func(what string, of func(*record) string) {
		row := []string{what}
		for i := range m.Records {
			row = append(row, of(&m.Records[i]))
		}
		t.add(row...)
	}
	each := func(bytes int64, r *record) string {
		return fmt.Sprintf("%s, %s each", bench.Bytes(float64(bytes)), bench.Bytes(float64(bytes)/float64(r.Sessions)))
	}
	millis := func(v float64) string { return bench.Millis(v) + " ms" }
	line("processes of pulsegate", func(r *record) string { return strconv.Itoa(r.Processes) })
	line("descriptors of the one with most", func(r *record) string { return bench.Number(float64(r.Result.Server.MostDescriptors)) })
	line("time to open all", func(r *record) string {
		return fmt.Sprintf("%.1f s, %s per second", r.Result.Sessions.RampUp, bench.Number(r.Result.Sessions.PerSec))
	})
	line("CPU of pulsegate to open one", func(r *record) string { return millis(r.Result.Server.OpenCPUMillis) })
	line("anonymous memory of pulsegate, empty processes included", func(r *record) string { return each(r.Result.Server.MemoryOpen, r) })
	line("the same, grown by while they opened", func(r *record) string {
		return each(r.Result.Server.MemoryOpen-r.Result.Server.MemoryBefore, r)
	})
	line("memory of the kernel, for both ends", func(r *record) string { return each(r.Result.Kernel.Memory, r) })
	line("anonymous memory of the generator", func(r *record) string { return each(r.Result.Generator.Memory, r) })
	line("CPU of pulsegate while all are idle", func(r *record) string { return share(r.Result.Server.Cores) })
	line("CPU of the generator meanwhile", func(r *record) string { return share(r.Result.Generator.Cores) })
	line("one message to all: p50", func(r *record) string { return millis(r.Result.Latency.EndToEnd.P50) })
	line("p99", func(r *record) string { return millis(r.Result.Latency.EndToEnd.P99) })
	line("the last one has it after", func(r *record) string { return millis(r.Result.Latency.EndToEnd.Max) })
	line("most that sockets' buffers held then", func(r *record) string { return bench.Bytes(float64(r.Result.Kernel.MostBuffers)) })
	return t.String()
}

// slabText tells the kernel's largest pools of the largest record, by connection.
func (m *measured) slabText() string {
	r := m.largest()
	if r == nil || len(r.Result.Kernel.Slabs) == 0 {
		return ""
	}
	var parts []string
	for _, s := range r.Result.Kernel.Slabs {
		if each := float64(s.Bytes) / float64(r.Sessions); each >= 64 {
			parts = append(parts, fmt.Sprintf("`%s` %s", s.Name, bench.Bytes(each)))
		}
	}
	return strings.Join(parts, ", ")
}
