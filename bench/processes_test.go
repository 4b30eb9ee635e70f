//go:build linux

package bench

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/bench/measure"
)

// spread makes a plan one for several processes, which are this test binary.
func spread(t *testing.T, how string, processes int) func(*Plan) {
	t.Helper()
	t.Setenv(envWorker, how)
	return func(p *Plan) { p.Processes, p.Worker, p.Loops = processes, []string{os.Args[0]}, 1 }
}

// What the server does wrong is counted exactly although each process sees only a
// part of it: a subscription's messages go to all of them in turn.
func TestProcesses(t *testing.T) {
	dropped, repeated := 0, 0
	f := newFake(t, func(f *fake) {
		f.deliver = func(n int, push func(int)) {
			switch {
			case n%10 == 3:
				dropped++
			case n%10 == 5: // to another consumer, so to another process
				push(n)
				push(n)
				repeated++
			default:
				push(n)
			}
		}
	}).start(t, false)
	r := mustRun(t, planFor(f.target(), shortDrain, spread(t, "serve", 3), func(p *Plan) {
		p.Groups = []Group{
			{Name: "readers", Kind: Reader, Sessions: 2},
			{Name: "shared", Kind: Consumer, Sessions: 5, Subscription: "s", Subscriptions: 1},
			{Name: "producers", Kind: Producer, Sessions: 4},
		}
	}))
	m, n := r.Messages, f.count()
	got := fmt.Sprint(m.Sent, m.Confirmed, m.Expected, m.Lost, m.Repeated, m.Delivered)
	// Two readers and one subscription should get each message.
	if want := fmt.Sprint(n, n, 3*n, 3*dropped, 3*repeated, 3*(n-dropped)); got != want || dropped == 0 || repeated == 0 || n < 190 {
		t.Errorf("sent, confirmed, expected, lost, repeated, delivered: %s, want %s", got, want)
	}
	if r.Sessions.Open != 11 || r.Sessions.Failed+r.Sessions.Dropped > 0 || r.Latency.Open.Count != 11 || r.Latency.Publish.Count < 190 {
		t.Errorf("%+v, %d latencies of publishing, %v", r.Sessions, r.Latency.Publish.Count, r.Faults)
	}
	if g := r.Load.Groups[1]; g.Opened != 5 || r.Generator.Processes != 3 || r.Generator.Cores <= 0 {
		t.Errorf("%+v %+v", g, r.Generator)
	}
}

func TestProcessesRefused(t *testing.T) {
	_, err := Run(t.Context(), planFor("ws://127.0.0.1:1", spread(t, "serve", 2)), nil)
	if !errors.Is(err, ErrNoSession) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
}

// A process that ends in the middle is told, and nothing waits for it.
func TestProcessCrash(t *testing.T) {
	f := newFake(t).start(t, false)
	_, err := Run(t.Context(), planFor(f.target(), spread(t, "crash", 2)), nil)
	if !errors.Is(err, errWorker) || !strings.Contains(err.Error(), "number ") || !strings.Contains(err.Error(), "(exit status 1)") {
		t.Errorf("got %v", err)
	}
	_, err = Run(t.Context(), planFor(f.target(), spread(t, "killed", 2)), nil)
	if !errors.Is(err, errWorker) || !strings.Contains(err.Error(), "signal: killed: perhaps for lack of memory") {
		t.Errorf("got %v", err)
	}
	_, err = Run(t.Context(), planFor(f.target(), func(p *Plan) { p.Processes, p.Worker = 2, []string{"/nowhere"} }), nil)
	if err == nil || !strings.Contains(err.Error(), "/nowhere") {
		t.Errorf("got %v", err)
	}
}

func TestCompareShared(t *testing.T) {
	a, b := measure.Source{Run: 1, Sender: 1}, measure.Source{Run: 1, Sender: 2}
	shared := []sharedSeen{
		{"s", 0, a, []measure.Span{{From: 0, To: 3}, {From: 5, To: 6}}},
		{"s", 0, a, []measure.Span{{From: 2, To: 5}, {From: 8, To: 9}}},
		{"t", 0, a, []measure.Span{{From: 0, To: 10}}},
	}
	byTopic := publishedByTopic([]published{{0, a, 10, []uint64{9}}, {0, b, 2, nil}}, 1)
	// s lacks 6 and 7 of a (9 is excused), has 2 twice, and lacks all of b, as t does.
	if l := compareShared(shared, byTopic); l.Lost != 2+2+2 || l.Behind != 2+2 || l.Repeated != 1 {
		t.Errorf("%+v", l)
	}
}
