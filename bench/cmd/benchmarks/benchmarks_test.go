//go:build pulsar && linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bench"
	"github.com/pulsegate/pulsegate/bench/scenario"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestMain(m *testing.M) { pulsar.Main(m) }

// plan is a trial's plan for a target.
func plan(t *testing.T, target string, args ...string) bench.Plan {
	t.Helper()
	for _, s := range scenario.All() {
		if s.Name == args[0] {
			f := &scenario.Flags{}
			if err := s.FlagSet(f).Parse(args[1:]); err != nil {
				t.Fatal(err)
			}
			p, err := s.Plan(f, target)
			if err != nil {
				t.Fatal(err)
			}
			p.Worker = []string{"true"} // never started: native clients live in one process
			return p
		}
	}
	t.Fatalf("no scenario %s", args[0])
	return bench.Plan{}
}

// The Go client alone does what sessions do, and every message is accounted for.
func TestNative(t *testing.T) {
	broker := pulsar.Shared(t).BrokerURL()
	for _, args := range [][]string{
		{"e2e", "--producers", "2", "--consumers", "3", "--rate", "200"},
		{"e2e", "--producers", "2", "--consumers", "2", "--topics", "2", "--batching", "--keys", "3", "--subscription-type", "Key_Shared", "--property", "a=b"},
		{"fanout", "--readers", "5", "--rate", "50", "--payload-file", "page.md"},
	} {
		p := plan(t, broker, append(args, "--warm-up", "0s", "--duration", "1s")...)
		r, err := bench.Run(t.Context(), p, nil)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		m := r.Messages
		if r.Faulty() || m.Confirmed < 40 || m.Sent != m.Confirmed || m.Delivered != m.Expected || m.Expected == 0 || m.Unsent > 0 {
			t.Errorf("%v: %+v %v", args, m, r.Faults)
		}
		if r.Latency.EndToEnd.Count == 0 || r.Latency.EndToEnd.P50 <= 0 || r.Server == nil || r.Server.ReceivedPerCPU <= 0 {
			t.Errorf("%v: %+v %+v", args, r.Latency.EndToEnd.Percentiles, r.Server)
		}
	}
}

func TestNativeErrors(t *testing.T) {
	for _, args := range [][]string{
		{"churn"}, {"e2e", "--pull", "5"}, {"e2e", "--slow", "1"}, {"consume", "--backlog", "5"}, {"publish", "--processes", "2"}, {"publish", "--api", "v1"},
	} {
		if _, err := bench.Run(t.Context(), plan(t, "pulsar://127.0.0.1:1", args...), nil); err == nil || !strings.Contains(err.Error(), "pulsar://") {
			t.Errorf("%v: got %v", args, err)
		}
	}
	p := plan(t, "pulsar://127.0.0.1:1", "publish", "--open-timeout", "1s", "--producers", "2")
	if _, err := bench.Run(t.Context(), p, nil); err == nil || !strings.Contains(err.Error(), "connection") {
		t.Errorf("got %v", err)
	}
}

// What was measured is kept, a part can be measured anew, and the page shows it.
func TestPage(t *testing.T) {
	dir := t.TempDir()
	o := &options{results: filepath.Join(dir, "r.json"), charts: filepath.Join(dir, "charts"), page: filepath.Join(dir, "page.md"), file: "s.yaml", binary: "true"}
	outcome := func(contestant string, perCPU, p99 float64) bench.Outcome {
		r := &bench.Result{Server: &bench.Server{PublishedPerCPU: perCPU}, Series: []bench.Second{{}}}
		r.Latency.Publish.Count, r.Latency.Publish.P99 = 1, p99
		return bench.Outcome{Trial: bench.Trial{Name: "publish 100 B", Command: "publish"}, Contestant: contestant, Results: []*bench.Result{r}}
	}
	m := &measured{}
	for _, mine := range []float64{111, 222_222} {
		c := &bench.Comparison{Runs: 3, Contestants: []bench.Contestant{{Name: java}, {Name: ours}}, Outcomes: []bench.Outcome{outcome(java, 50_000, 7), outcome(ours, mine, 9)}}
		if err := m.add(c.Outcomes[0].Trial, c, o); err != nil {
			t.Fatal(err)
		}
	}
	again, err := readMeasured(o.results)
	if err != nil || len(again.Trials) != 1 {
		t.Fatalf("%v %+v", err, again)
	}
	if err := again.write(o); err != nil {
		t.Fatal(err)
	}
	text := readFile(t, o.page)
	for _, want := range []string{"| 50,000 | 222,222 | 4.4 × |", "per-cpu-second.svg", "p99 latency (7.00 ms; pulsegate 9.00 ms)", time.Now().UTC().Format("2006-01-02")} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "memory-growth.svg") || strings.Contains(text, "| 111") {
		t.Errorf("a chart that is not there, or an old figure, is in\n%s", text)
	}
}

// What a server could not do at all is told, and takes no earlier measurement's place.
func TestIncomplete(t *testing.T) {
	can := bench.Outcome{Contestant: "one", Results: []*bench.Result{{}}, Errors: []string{"once"}}
	cannot := bench.Outcome{Contestant: "two", Errors: []string{"no room", "no room left"}}
	if err := complete(&bench.Comparison{Outcomes: []bench.Outcome{can}}); err != nil {
		t.Errorf("one run was possible: %v", err)
	}
	err := complete(&bench.Comparison{Outcomes: []bench.Outcome{can, cannot}})
	if err == nil || err.Error() != "two: no room; no room left" {
		t.Errorf("got %v", err)
	}
}
