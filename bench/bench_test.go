//go:build linux

package bench

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pulsegate/pulsegate/bench/frames"
)

// envWorker makes this test binary a process that has a share of a run. A value of
// "crash" makes it one that ends in the middle, "killed" one that is killed then.
const envWorker = "PULSEGATE_TEST_BENCH_WORKER"

func TestMain(m *testing.M) {
	if how := os.Getenv(envWorker); how != "" {
		var out io.Writer = os.Stdout
		switch how {
		case "crash":
			out = &crashing{os.Stdout, 10, func() { os.Exit(1) }}
		case "killed":
			out = &crashing{os.Stdout, 10, func() {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {} // it comes at once
			}}
		}
		if err := ServeWorker(os.Stdin, out); err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// crashing ends this process at a write.
type crashing struct {
	io.Writer
	left int // writes before
	end  func()
}

func (c *crashing) Write(p []byte) (int, error) {
	if c.left--; c.left < 0 {
		c.end()
	}
	return c.Writer.Write(p)
}

// planFor is a short run: one producer at 500 messages a second, one reader.
func planFor(target string, change ...func(*Plan)) Plan {
	p := Plan{
		Scenario:  "test",
		Target:    Target{URL: target, Domain: "persistent", Namespace: "public/default"},
		Groups:    []Group{{Name: "readers", Kind: Reader, Sessions: 1}, {Name: "producers", Kind: Producer, Sessions: 1}},
		Topics:    1,
		TopicBase: "t",
		Message:   frames.Content{Size: 50},
		Rate:      500, Window: 50,
		Duration: 400 * time.Millisecond, Drain: time.Minute, // it ends when all has come
		Opening: 10, OpenTimeout: 10 * time.Second, Loops: 2, Processes: 1,
	}
	for _, f := range change {
		f(&p)
	}
	return p
}

func mustRun(t *testing.T, p Plan) *Result {
	t.Helper()
	r, err := Run(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// shortDrain is for servers that never deliver all.
func shortDrain(p *Plan) { p.Drain = 3 * time.Second }

func TestAllWell(t *testing.T) {
	f := newFake(t).start(t, false)
	r := mustRun(t, planFor(f.target(), func(p *Plan) {
		p.Topics = 2
		p.WarmUp = 100 * time.Millisecond
		p.Groups = []Group{
			{Name: "readers", Kind: Reader, Sessions: 4},
			{Name: "shared", Kind: Consumer, Sessions: 6, Subscription: "s", Subscriptions: 1},
			{Name: "own", Kind: Consumer, Sessions: 2, Subscription: "own"},
			{Name: "producers", Kind: Producer, Sessions: 4},
		}
		p.Message.Keys, p.Message.Properties = 3, map[string]string{"a": "b"}
	}))
	f.settle()
	m := r.Messages
	n := uint64(f.count())
	// Of each topic: two readers, one shared subscription, one subscription of its own.
	if m.Sent != n || m.Confirmed != n || m.Expected != 4*n || m.Delivered != 4*n || m.Received != 4*n || n == 0 {
		t.Errorf("%d messages: %+v", n, m)
	}
	if r.Faulty() || len(r.Faults) > 0 || r.Interrupted {
		t.Errorf("%+v %v", m, r.Faults)
	}
	if r.Sessions.Open != 16 || r.Sessions.Opened != 16 || r.Latency.Open.Count != 16 {
		t.Errorf("%+v", r.Sessions)
	}
	// What was due in the measurement counts, neither warm-up nor drain.
	if got := r.Latency.Publish.Count; got < 190 || got > 210 {
		t.Errorf("%d latencies of publishing; 500 a second for 0.4 s", got)
	}
	if f.acks != int(m.Received) {
		t.Errorf("%d acknowledgements of %d messages", f.acks, m.Received)
	}
}

// What the server does wrong to pushed messages is counted exactly.
func TestDeliveryFaults(t *testing.T) {
	var dropped, repeated, reordered, held = 0, 0, 0, -1
	f := newFake(t, func(f *fake) {
		f.deliver = func(n int, push func(int)) {
			switch {
			case held >= 0:
				push(n)
				push(held)
				reordered++
				held = -1
			case n%10 == 3:
				dropped++
			case n%10 == 5:
				push(n)
				push(n)
				repeated++
			case n%10 == 7:
				held = n
			default:
				push(n)
			}
		}
	}).start(t, false)
	r := mustRun(t, planFor(f.target(), shortDrain))
	f.settle()
	if held >= 0 { // the last one was held and never pushed
		dropped++
	}
	m := r.Messages
	got := fmt.Sprint(m.Lost, m.Repeated, m.Reordered)
	if want := fmt.Sprint(dropped, repeated, reordered); got != want || dropped == 0 || repeated == 0 || reordered == 0 {
		t.Errorf("lost, repeated, reordered: %s, want %s", got, want)
	}
	if !r.Faulty() || m.Errors+m.Unanswered+m.Stray+m.Late > 0 {
		t.Errorf("%+v", m)
	}
}

// The same for answers to producers.
func TestReplyFaults(t *testing.T) {
	var failed, silent, twice, late, held = 0, 0, 0, 0, -1
	f := newFake(t, func(f *fake) {
		f.reply = func(n int, answer func(int, string)) {
			switch {
			case held >= 0:
				answer(n, "ok")
				answer(held, "ok")
				late++
				held = -1
			case n%10 == 2:
				answer(n, "send-error:8")
				failed++
			case n%10 == 4:
				answer(n, "ok")
				answer(n, "ok")
				twice++
			case n%10 == 6:
				held = n
			case n == 11:
				silent++
			default:
				answer(n, "ok")
			}
		}
		// What failed is not delivered, and must not count as lost.
		f.deliver = func(n int, push func(int)) {
			if n%10 != 2 {
				push(n)
			}
		}
	}).start(t, false)
	r := mustRun(t, planFor(f.target(), shortDrain, func(p *Plan) { p.Window = 10_000 }))
	f.settle()
	if held >= 0 {
		silent++
	}
	m := r.Messages
	got := fmt.Sprint(m.Errors, m.Unanswered, m.Stray, m.Late, m.Lost)
	if want := fmt.Sprint(failed, silent, twice, late, 0); got != want || failed == 0 || twice == 0 || late == 0 {
		t.Errorf("errors, unanswered, stray, late, lost: %s, want %s", got, want)
	}
	if m.Sent != m.Confirmed+m.Errors+m.Unanswered {
		t.Errorf("%+v", m)
	}
	if r.Faults["not published: send-error:8"] != uint64(failed) {
		t.Errorf("%v", r.Faults)
	}
}

// A server that stalls for half a second shows so in the latency of all that was
// due in it, although only one message was on its way.
func TestStallShows(t *testing.T) {
	const stall = 500 * time.Millisecond
	f := newFake(t, func(f *fake) {
		f.taken = func(n int) {
			if n == 100 {
				time.Sleep(stall)
			}
		}
	}).start(t, false)
	r := mustRun(t, planFor(f.target(), func(p *Plan) {
		p.Window = 1
		p.Duration = time.Second
	}))
	// 250 of 500 messages were due in it, and waited between 500 ms and nothing.
	for name, l := range map[string]Latency{"publish": r.Latency.Publish, "end to end": r.Latency.EndToEnd} {
		if l.Max < 500 || l.P90 < 350 || l.Count < 495 {
			t.Errorf("%s: %+v", name, l.Percentiles)
		}
	}
	worst := 0.0
	for _, s := range r.Series {
		worst = max(worst, s.Publish.Max)
	}
	if worst < 500 {
		t.Errorf("the series shows %.0f ms at most", worst)
	}
	if r.Faulty() {
		t.Errorf("%+v", r.Messages)
	}
}

// A delay on the way shows in the end-to-end latency alone.
func TestDelayShows(t *testing.T) {
	const behind = 50
	f := newFake(t, func(f *fake) {
		f.deliver = func(n int, push func(int)) {
			if n >= behind { // pushed 50 messages late, which is 100 ms
				push(n - behind)
			}
		}
	}).start(t, false)
	r := mustRun(t, planFor(f.target(), shortDrain))
	if p := r.Latency.EndToEnd; p.P50 < 99 || r.Messages.Lost != behind {
		t.Errorf("%+v, %d lost", p.Percentiles, r.Messages.Lost)
	}
}

// What a server never answers counts with the time it has waited.
func TestSilenceShows(t *testing.T) {
	f := newFake(t, func(f *fake) {
		f.reply = func(n int, answer func(int, string)) {
			if n < 10 {
				answer(n, "ok")
			}
		}
	}).start(t, false)
	r := mustRun(t, planFor(f.target(), shortDrain))
	m := r.Messages
	if m.Confirmed != 10 || m.Unanswered != 50 || m.Unsent == 0 || m.Lost != 0 {
		t.Errorf("%+v", m)
	}
	// All wait for the whole drain at least.
	if p := r.Latency.Publish; p.P50 < 500 || p.Count < 195 {
		t.Errorf("%+v", p.Percentiles)
	}
}
