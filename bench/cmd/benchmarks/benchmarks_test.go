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

// What the Java proxy is better in has a heading when there is something; latencies at loads that differ are under Latency.
func TestPageOfTheBetter(t *testing.T) {
	const heading, loads = "## Where the Java proxy is better\n", "As fast as it goes, each server is at a load of its own"
	for name, test := range map[string]struct {
		rate, p99     float64 // ours; theirs are 1,000 and 10
		better, loads bool
	}{
		"nothing": {1000, 10, false, false}, "a latency": {1000, 20, true, false}, "a latency at another load": {5000, 20, false, true},
	} {
		dir := t.TempDir()
		o := &options{results: filepath.Join(dir, "r.json"), charts: filepath.Join(dir, "charts"), page: filepath.Join(dir, "page.md"), file: "s.yaml", binary: "true"}
		outcome := func(contestant string, rate, p99 float64) bench.Outcome {
			r := &bench.Result{Server: &bench.Server{PublishedPerCPU: 1}, Series: []bench.Second{{}}}
			r.Rates.Published, r.Latency.Publish.Count, r.Latency.Publish.P99 = rate, 1, p99
			return bench.Outcome{Trial: bench.Trial{Name: "publish 100 B", Command: "publish"}, Contestant: contestant, Results: []*bench.Result{r}}
		}
		m := &measured{}
		c := &bench.Comparison{Runs: 1, Contestants: []bench.Contestant{{Name: java}, {Name: ours}}, Outcomes: []bench.Outcome{outcome(java, 1000, 10), outcome(ours, test.rate, test.p99)}}
		if err := m.add(c.Outcomes[0].Trial, c, o); err != nil {
			t.Fatal(err)
		}
		if err := m.write(o); err != nil {
			t.Fatal(err)
		}
		text := readFile(t, o.page)
		_, latency, _ := strings.Cut(text, "\n## Latency\n")
		latency, _, _ = strings.Cut(latency, "\n## ")
		if strings.Contains(text, heading) != test.better || strings.Contains(latency, loads) != test.loads || strings.Count(text, loads) > 1 {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}

// No process gets more sessions than it has room for, and none is started for nothing.
func TestSpreadOver(t *testing.T) {
	room := roomIn(20_000)
	for _, c := range []struct{ sessions, room, want int }{
		{1000, room, 1}, {room, room, 1}, {room + 1, room, 2}, {40_000, room, 3}, {1_000_000, room, 55}, {10, 0, 0},
	} {
		if got := spreadOver(c.sessions, c.room); got != c.want {
			t.Errorf("%d sessions, room for %d: got %d", c.sessions, c.room, got)
		}
	}
}

// Records of other sizes stay when one is measured anew, and the page shows all.
func TestRecords(t *testing.T) {
	dir := t.TempDir()
	o := &options{results: filepath.Join(dir, "r.json"), charts: filepath.Join(dir, "charts"), page: filepath.Join(dir, "page.md"), file: "s.yaml"}
	m := &measured{}
	for _, r := range []struct {
		sessions int
		p99      float64
	}{{1_000_000, 111}, {100_000, 222}, {1_000_000, 333}} {
		result := &bench.Result{Server: &bench.Server{MemoryOpen: int64(r.sessions) * 2048}, Kernel: &bench.Kernel{}}
		result.Latency.EndToEnd.P99 = r.p99
		m.addRecord(record{Sessions: r.sessions, Processes: 55, Command: "fanout --once", Version: "pulsegate v7", Result: result})
	}
	if err := m.save(o.results); err != nil {
		t.Fatal(err)
	}
	again, err := readMeasured(o.results)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.write(o); err != nil {
		t.Fatal(err)
	}
	text := readFile(t, o.page)
	for _, want := range []string{"## 1,000,000 idle readers", "| idle readers | 100,000 | 1,000,000 |", "| p99 | 222 ms | 333 ms |", "1.9 GiB, 2.0 KiB each", "version v7", "`pulsegate bench fanout --once`"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// The file that make record runs is one, and what is asked for is in it.
func TestRecordScenario(t *testing.T) {
	all, err := scenario.Read("../../record.yaml", []string{"readers=7", "processes=3"}, nil)
	if err != nil || len(all) != 1 {
		t.Fatalf("%v %v", all, err)
	}
	p, err := all[0].Plan(bench.Contestant{URL: "ws://localhost"})
	if err != nil || !p.Once || p.Processes != 3 || p.Groups[0].Sessions != 7 {
		t.Errorf("%+v %v", p, err)
	}
	if p.Duration != recordPing*time.Second {
		t.Errorf("idle for %v, which are pinged every %d s", p.Duration, recordPing)
	}
}

// Every figure of the page is of a scenario that there is.
func TestTrialsExist(t *testing.T) {
	all, err := scenario.Read("../../budgets.yaml", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, b := range budgets {
		names = append(names, b.trial)
	}
	for _, p := range payloads {
		names = append(names, p.trial)
	}
	for _, g := range []growth{memoryGrowth, fanoutGrowth} {
		for _, row := range g {
			names = append(names, row.trial)
		}
	}
	for _, name := range names {
		if place(all, name) < 0 {
			t.Errorf("no scenario %q", name)
		}
	}
	if last := all[len(all)-1]; brokerFor(last) == nil || brokerFor(all[0]) != nil {
		t.Errorf("brokers: %v for %s, %v for %s", brokerFor(last), last.Name, brokerFor(all[0]), all[0].Name)
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
