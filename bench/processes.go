//go:build linux

package bench

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pulsegate/pulsegate/bench/measure"
)

// processes is a fleet spread over several processes, each of which has a share
// of every group. This process leads: it gives the orders, adds up what the
// others say, and compares what only all together know.
type processes struct {
	plan    *Plan
	workers []*workerProcess
	stop    chan struct{} // ends the goroutine of ramp
	ramping sync.WaitGroup

	mu      sync.Mutex
	trouble error // the first
}

// workerProcess is one of them. One order is under way at a time.
type workerProcess struct {
	number  int
	cmd     *exec.Cmd
	stdin   io.Closer
	said    *tailWriter  // the end of what it printed
	wait    func() error // until it has ended; may be called again
	mu      sync.Mutex
	orders  *gob.Encoder
	answers *gob.Decoder
}

// errWorker is wrapped when one of the processes fails.
var errWorker = errors.New("a process of the load generator failed")

// processTick is, for each process, from one look at how far all are to the next: with many, they
// would do little else.
const processTick = 5 * time.Millisecond

// startProcesses starts the plan's processes, each of which makes its sessions.
func startProcesses(plan *Plan, id uint32) (*processes, error) {
	p := &processes{plan: plan, stop: make(chan struct{})}
	for i := range plan.Processes {
		w, err := startWorker(plan.Worker, i)
		if err != nil {
			p.close()
			return nil, fmt.Errorf("start process %d of the load generator: %w", i, err)
		}
		p.workers = append(p.workers, w)
	}
	each := *plan
	each.Opening = max(plan.Opening/plan.Processes, 1)
	p.all(func(i int) order {
		return order{Do: doStart, Start: &startOrder{Plan: each, Run: id, Share: share{i, plan.Processes}}}
	}, nil)
	if err := p.err(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func startWorker(command []string, number int) (*workerProcess, error) {
	w := &workerProcess{number: number, cmd: exec.Command(command[0], command[1:]...), said: &tailWriter{}}
	// Ctrl-C is for this process, which then asks the others for what they have.
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	w.cmd.Stderr = w.said
	in, err := w.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.stdin, w.orders, w.answers = in, gob.NewEncoder(in), gob.NewDecoder(out)
	w.wait = sync.OnceValue(w.cmd.Wait)
	return w, w.cmd.Start()
}

func (w *workerProcess) ask(o order) (answer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var a answer
	err := w.orders.Encode(&o)
	if err == nil {
		err = w.answers.Decode(&a)
	}
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("%w: number %d: %w (%s) %s", errWorker, w.number, err, w.end(), w.said)
	case a.Error != "":
		return answer{}, fmt.Errorf("%w: number %d: %s", errWorker, w.number, a.Error)
	}
	return a, nil
}

// end tells how a process ended that does not answer any more. One that did not end is killed: it
// is of no use.
func (w *workerProcess) end() string {
	kill := time.AfterFunc(closeWait, func() { _ = w.cmd.Process.Kill() })
	defer kill.Stop()
	_ = w.wait() // how is in its state
	state := w.cmd.ProcessState
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
		return fmt.Sprintf("%v: perhaps for lack of memory, which dmesg would tell", state)
	}
	return state.String()
}

// all gives an order to every process at once, and takes their answers in turn. It
// does nothing when a process has failed before.
func (p *processes) all(o func(i int) order, take func(*answer)) {
	if p.err() != nil {
		return
	}
	answers := make([]answer, len(p.workers))
	var wait sync.WaitGroup
	for i, w := range p.workers {
		wait.Go(func() {
			var err error
			if answers[i], err = w.ask(o(i)); err != nil {
				p.fail(err)
			}
		})
	}
	wait.Wait()
	if take == nil || p.err() != nil {
		return
	}
	for i := range answers {
		take(&answers[i])
	}
}

func (p *processes) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.trouble == nil {
		p.trouble = err
	}
}

func (p *processes) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.trouble
}

func same(o order) func(int) order { return func(int) order { return o } }

func (p *processes) ramp() <-chan struct{} {
	p.all(same(order{Do: doRamp}), nil)
	done := make(chan struct{})
	p.ramping.Go(func() {
		defer close(done)
		for p.err() == nil && !p.ramped() {
			select {
			case <-p.stop:
				return
			case <-time.After(time.Duration(len(p.workers)) * processTick):
			}
		}
	})
	return done
}

func (p *processes) ramped() bool {
	all := true
	p.all(same(order{Do: doStanding}), func(a *answer) { all = all && a.Standing.Ramped })
	return all
}

func (p *processes) window(from, to int64) {
	p.all(same(order{Do: doWindow, From: from, To: to}), nil)
}

func (p *processes) watched() watched {
	sum := watched{Own: make([]uint64, p.plan.Topics), Shared: map[string]int{}}
	p.all(same(order{Do: doWatched}), func(a *answer) { sum.add(a.Watched) })
	return sum
}

func (p *processes) begin(b beginning) { p.all(same(order{Do: doBegin, Begin: &b}), nil) }
func (p *processes) end(at int64)      { p.all(same(order{Do: doEnd, To: at}), nil) }

func (p *processes) reports() (all []*report) {
	p.all(same(order{Do: doReports}), func(a *answer) { all = append(all, a.Reports...) })
	return all
}

func (p *processes) standing() (sum standing) {
	sum.Tallies = make([]tally, len(p.plan.Groups))
	p.all(same(order{Do: doStanding}), func(a *answer) { sum.add(&a.Standing) })
	return sum
}

func (p *processes) usage() (sum usage) {
	sum.Own, _ = measure.ReadProcess(os.Getpid()) // it reads itself
	p.all(same(order{Do: doUsage}), func(a *answer) { sum.add(a.Usage) })
	return sum
}

func (p *processes) finish() (sum ending) {
	sum.Tallies = make([]tally, len(p.plan.Groups))
	p.all(same(order{Do: doFinish}), func(a *answer) {
		sum.Reports = append(sum.Reports, a.Ending.Reports...)
		sum.Published = append(sum.Published, a.Ending.Published...)
		for i, t := range a.Ending.Tallies {
			sum.Tallies[i].Opened += t.Opened
			sum.Tallies[i].Failed += t.Failed
		}
	})
	return sum
}

func (p *processes) ledger(all []published) (sum ledger) {
	var shared []sharedSeen
	p.all(same(order{Do: doLedger, All: all}), func(a *answer) {
		sum.Lost += a.Ledger.Lost
		sum.Behind += a.Ledger.Behind
		shared = append(shared, a.Ledger.Shared...)
	})
	together := compareShared(shared, publishedByTopic(all, p.plan.Topics))
	sum.Lost, sum.Behind, sum.Repeated = sum.Lost+together.Lost, sum.Behind+together.Behind, together.Repeated
	return sum
}

// compareShared puts the parts of subscriptions together that several processes
// have seen, and compares them with what was published.
func compareShared(shared []sharedSeen, byTopic [][]published) (l ledger) {
	type seen map[measure.Source][][]measure.Span
	subscriptions, topics := map[string]seen{}, map[string]int{}
	for _, s := range shared {
		if subscriptions[s.Name] == nil {
			subscriptions[s.Name] = seen{}
		}
		topics[s.Name] = s.Topic
		subscriptions[s.Name][s.Source] = append(subscriptions[s.Name][s.Source], s.Spans)
	}
	for name, sources := range subscriptions {
		for _, parts := range sources {
			l.Repeated += measure.Union(parts...).Repeats()
		}
		for _, p := range byTopic[topics[name]] {
			all := measure.Union(sources[p.Source]...)
			l.Lost += all.Lost(p.Sent, p.Excused)
			l.Behind += all.Behind(p.Sent, p.Excused)
		}
	}
	return l
}

// close ends the processes: they end when no more orders can come. One that is
// busy then is given closeWait.
func (p *processes) close() {
	select {
	case <-p.stop:
		return
	default:
		close(p.stop)
	}
	p.ramping.Wait()
	var wait sync.WaitGroup
	for _, w := range p.workers {
		wait.Go(func() {
			w.stdin.Close()
			kill := time.AfterFunc(2*closeWait, func() { _ = w.cmd.Process.Kill() })
			defer kill.Stop()
			_ = w.wait() // what it had to say is in its answers
		})
	}
	wait.Wait()
}

// tailWriter keeps the end of what is written to it.
type tailWriter struct {
	mu   sync.Mutex
	text []byte
}

const keptTail = 2048 // bytes

func (t *tailWriter) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - keptTail; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tailWriter) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
