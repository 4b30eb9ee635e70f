//go:build pulsar && linux

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pulsegate/pulsegate/bench"
	"github.com/pulsegate/pulsegate/bench/scenario"
)

// watchedRuns are those of a trial: messages per CPU-second alone and watched.
func watchedRuns(alone, with []float64) *bench.Comparison {
	outcome := func(contestant string, all []float64) bench.Outcome {
		o := bench.Outcome{Trial: bench.Trial{Name: "readers" + ofWatching, Command: "fanout --rate 20"}, Contestant: contestant}
		for _, v := range all {
			r := &bench.Result{Server: &bench.Server{ReceivedPerCPU: v}, Series: []bench.Second{{}}}
			r.Rates.Received, r.Latency.EndToEnd.Count, r.Latency.EndToEnd.P99 = 1, 1, 5
			o.Results = append(o.Results, r)
		}
		return o
	}
	return &bench.Comparison{Runs: len(alone), Contestants: []bench.Contestant{{Name: ours}, {Name: watched}}, Outcomes: []bench.Outcome{outcome(ours, alone), outcome(watched, with)}}
}

// What watching costs is the median of the pairs, not of what runs at other times did.
func TestCostOfWatching(t *testing.T) {
	c := watchedRuns([]float64{1000, 2000, 4000}, []float64{990, 1900, 4040}) // 1 %, 5 %, -1 %
	cost, err := paired(c)
	if err != nil || cost.String() != "1.0 %" || percent(cost.Least) != "-1.0 %" || percent(cost.Most) != "5.0 %" || cost.Pairs != 3 {
		t.Errorf("%+v %v", cost, err)
	}
	name := c.Outcomes[0].Trial
	if text := cost.sentence(name); !strings.Contains(text, "cost 1.0 % of") || !strings.Contains(text, "within the budget of 2.0 %") || !strings.Contains(text, `make bench BENCH="-only 'readers, watched'"`) {
		t.Error(text)
	}
	over, err := paired(watchedRuns([]float64{1000}, []float64{979}))
	if text := over.sentence(name); err != nil || !strings.Contains(text, "over the budget") {
		t.Error(text, err)
	}
	dir := t.TempDir()
	o := &options{results: filepath.Join(dir, "r.json"), charts: filepath.Join(dir, "charts"), page: filepath.Join(dir, "page.md"), file: "s.yaml", binary: "true"}
	m := &measured{}
	if err := m.add(name, c, o); err != nil {
		t.Fatal(err)
	}
	if err := m.write(o); err != nil {
		t.Fatal(err)
	}
	text := readFile(t, o.page)
	for _, want := range []string{"open console cost: readers | – | 1.0 % | – | – | ≤ 2.0 % |", "| readers | 2,000 | 1,900 | 1.0 % | -1.0 % | 5.0 % |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "per-cpu-second.svg") || strings.Contains(text, "latency-p99.svg") {
		t.Error("a pulsegate is compared to itself in a chart")
	}
}

// Runs that have no neighbour are no pairs.
func TestRunsWithoutPair(t *testing.T) {
	missing := watchedRuns([]float64{1000, 1000}, []float64{990})
	failed := watchedRuns([]float64{1000}, []float64{990})
	failed.Outcomes[1].Errors = []string{"no room"}
	nothing := watchedRuns([]float64{1000}, []float64{0})
	for name, c := range map[string]*bench.Comparison{"missing": missing, "failed": failed, "nothing": nothing, "none": {}} {
		if cost, err := paired(c); err == nil {
			t.Errorf("%s: %+v", name, cost)
		}
	}
}

// A watch asks for the metrics and for what the console asks for, and tells when it was refused: a gateway that nobody could
// watch would seem to be watched for nothing.
func TestWatch(t *testing.T) {
	for refused, want := range map[string]string{"": "", "/metrics": "/metrics: 403", "/gateway/sessions": "/gateway/sessions?sort=-unsentBytes&offset=0&limit=50: 403"} {
		var mu sync.Mutex
		asked := map[string]bool{}
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			asked[r.URL.RequestURI()] = true
			if r.URL.Path == refused {
				w.WriteHeader(http.StatusForbidden)
			}
		}))
		err := startWatch(strings.TrimPrefix(s.URL, "http://")).stop()
		s.Close()
		for _, path := range append([]string{"/metrics"}, looks...) {
			if !asked[path] {
				t.Errorf("%s was not asked for", path)
			}
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q refused: %v", refused, err)
		}
	}
}

// The watch asks for what the console asks for, as often as it does.
func TestWatchIsAsTheConsole(t *testing.T) {
	script := readFile(t, "../../../operator/console/main.js")
	if every := fmt.Sprintf("const every = %d; // ms", lookEvery.Milliseconds()); !strings.Contains(script, every) {
		t.Errorf("the console has no %q", every)
	}
	for file, has := range map[string][]string{
		"overview.js": {`get("status")`}, "table.js": {"const pageSize = 50", "offset: this.offset, limit: pageSize"}, "lists.js": {`{ field: "unsentBytes", falling: true }`, `get("sessions", query)`},
	} {
		text := readFile(t, "../../../operator/console/"+file)
		for _, want := range has {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %q", file, want)
			}
		}
	}
}

// The trial is done with one server, alone and watched, and with no other.
func TestWatchedTrial(t *testing.T) {
	all, err := scenario.Read("../../budgets.yaml", nil, []string{ofWatching + "$"})
	if err != nil || len(all) != 1 {
		t.Fatalf("%v %v", all, err)
	}
	s := &servers{}
	var names []string
	for _, c := range s.contestants(all[0]) {
		names = append(names, c.Name)
	}
	if !slices.Equal(names, []string{ours, watched}) || all[0].RunsOf(pairs) != pairs {
		t.Errorf("%v, %d runs", names, all[0].RunsOf(pairs))
	}
}

// Only the runs that say so are watched, and none outlasts its run.
func TestWhoIsWatched(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	trial := bench.Trial{Name: "readers" + ofWatching, Command: "fanout"}
	running := &gateway{addr: strings.TrimPrefix(server.URL, "http://"), processes: []*process{{cmd: &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}}}}}
	s := &servers{gateway: running, warm: map[string]bool{java: true}}
	for _, name := range []string{watched, ours, watched, ours} {
		c := bench.Contestant{Name: name}
		if err := s.prepare(t.Context(), trial, &c, 0); err != nil {
			t.Fatal(err)
		}
		if (s.watch != nil) != (name == watched) || s.gateway != running || len(c.PIDs) != 1 {
			t.Errorf("%s: %+v, watched %t", name, c, s.watch != nil)
		}
	}
	if err := s.watching(trial, watchedRuns([]float64{1000}, []float64{990})); err != nil || asked.Load() < 2*3 {
		t.Errorf("%v after %d requests", err, asked.Load())
	}
	server.Close()
	s.watch = startWatch(running.addr)
	if err := s.watching(trial, watchedRuns([]float64{1000}, []float64{990})); err == nil {
		t.Error("runs that nobody could watch count")
	}
}
