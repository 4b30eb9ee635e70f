//go:build pulsar && linux

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bench"
)

// watched is a pulsegate whose metrics are scraped and whose console is open. It is the process that is also measured
// without: only who asks it differs.
const watched = "pulsegate, watched"

// ofWatching is the end of the names of trials that say what watching costs.
const ofWatching = ", watched"

func isWatched(trial string) bool { return strings.HasSuffix(trial, ofWatching) }

// pairs is how many runs without and with watching there are in turn. A run alone differs by more than what is looked for.
const pairs = 7

const (
	scrapeEvery = time.Second     // the shortest interval that anybody has Prometheus scrape at
	lookEvery   = 2 * time.Second // as in operator/console/main.js: from an answer to the next question
	lookTimeout = 10 * time.Second
)

// looks are what the console asks for together while it shows its list of sessions, the page that costs most.
var looks = []string{"/gateway/status", "/gateway/sessions?sort=-unsentBytes&offset=0&limit=50"}

// scraped is what Prometheus says that it takes.
var scraped = http.Header{"Accept": {"application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"}}

// watch scrapes a gateway's metrics and looks at its console until it is stopped. Its goroutines are its own.
type watch struct {
	at       string // scheme and host
	client   *http.Client
	stopping chan struct{}
	done     sync.WaitGroup

	mu     sync.Mutex
	failed error // the first
}

// startWatch watches the gateway at a host and port.
func startWatch(addr string) *watch {
	w := &watch{
		at:       "http://" + addr,
		client:   &http.Client{Transport: &http.Transport{}, Timeout: lookTimeout}, // which takes gzip, as Prometheus and browsers do
		stopping: make(chan struct{}),
	}
	w.done.Go(func() {
		every := time.NewTicker(scrapeEvery)
		defer every.Stop()
		for more := true; more; {
			w.ask("/metrics", scraped)
			select {
			case <-w.stopping:
				more = false
			case <-every.C:
			}
		}
	})
	w.done.Go(func() {
		for more := true; more; {
			var all sync.WaitGroup
			for _, path := range looks {
				all.Go(func() { w.ask(path, nil) })
			}
			all.Wait()
			select {
			case <-w.stopping:
				more = false
			case <-time.After(lookEvery):
			}
		}
	})
	return w
}

// ask reads an answer to its end, and keeps why there was none.
func (w *watch) ask(path string, header http.Header) {
	if err := w.get(path, header); err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.failed == nil {
			w.failed = fmt.Errorf("watch: %s: %w", path, err)
		}
	}
}

func (w *watch) get(path string, header http.Header) error {
	req, err := http.NewRequest(http.MethodGet, w.at+path, nil)
	if err != nil {
		return err
	}
	maps.Copy(req.Header, header)
	resp, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// stop ends it once what it has asked for is answered, and tells whether all was. Everything was asked for once at least.
func (w *watch) stop() error {
	close(w.stopping)
	w.done.Wait()
	w.client.CloseIdleConnections()
	return w.failed
}

// watching tells what a trial says of watching, and why it says nothing.
func (s *servers) watching(t bench.Trial, c *bench.Comparison) error {
	s.unwatch()
	err := s.unwatched
	s.unwatched = nil
	if err != nil {
		return err
	}
	cost, err := paired(c)
	if err == nil {
		fmt.Fprintln(os.Stderr, "== "+cost.sentence(t))
	}
	return err
}

// unwatch stops the watch, if there is one, and keeps what went wrong.
func (s *servers) unwatch() {
	if s.watch != nil {
		s.unwatched = errors.Join(s.unwatched, s.watch.stop())
		s.watch = nil
	}
}

// watchingCost is what a trial says that watching costs: a part of the messages per second of the server's CPU time.
type watchingCost struct {
	Median, Least, Most float64 // of the pairs; below 0: it did more while watched
	Pairs               int
}

// paired compares each run with its neighbour. It wants all of them: of what is not whole, no pairs can be made.
func paired(c *bench.Comparison) (cost watchingCost, err error) {
	var none bench.Outcome
	plain, with := cmp.Or(outcomeOf(c, ours), &none), cmp.Or(outcomeOf(c, watched), &none)
	if n := len(plain.Results); n == 0 || n != len(with.Results) || len(plain.Errors)+len(with.Errors) > 0 {
		return cost, fmt.Errorf("%d runs without and %d with watching were possible: %s", n, len(with.Results), strings.Join(append(plain.Errors, with.Errors...), "; "))
	}
	var costs []float64
	for i := range plain.Results {
		a := bench.Outcome{Results: plain.Results[i : i+1]}
		b := bench.Outcome{Results: with.Results[i : i+1]}
		if a.PerCPUSecond() == 0 || b.PerCPUSecond() == 0 {
			return cost, fmt.Errorf("run %d has used no CPU that could be measured", i+1)
		}
		costs = append(costs, 1-b.PerCPUSecond()/a.PerCPUSecond())
	}
	return watchingCost{bench.Median(costs), slices.Min(costs), slices.Max(costs), len(costs)}, nil
}

// String tells the cost, as a part of what is done without watching.
func (c watchingCost) String() string { return percent(c.Median) }

func percent(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }

// mostWatching is the budget.
const mostWatching = 0.02

// sentence tells the cost, whether it is within the budget, and how to measure it anew.
func (c watchingCost) sentence(t bench.Trial) string {
	verdict := "within"
	if c.Median > mostWatching {
		verdict = "over"
	}
	return fmt.Sprintf("%s: metrics scraped every second and an open console cost %s of the messages per CPU-second, %s the budget of %s "+
		"(median of %d pairs, from %s to %s): make bench BENCH=\"-only '%s'\"",
		t.Name, c, verdict, percent(mostWatching), c.Pairs, percent(c.Least), percent(c.Most), t.Name)
}

// eachWatched calls f with each trial that says what watching costs.
func (m *measured) eachWatched(f func(*trial, watchingCost)) {
	for i := range m.Trials {
		x := &m.Trials[i]
		if !isWatched(x.name()) {
			continue
		}
		if c, err := paired(&x.Compared); err == nil { // else it was not kept
			f(x, c)
		}
	}
}

// load is what such a trial does, for people.
func load(t *trial) string { return strings.TrimSuffix(t.name(), ofWatching) }

// watchingTable has what all such trials say.
func (m *measured) watchingTable() string {
	t := &table{}
	t.add("scenario", "per CPU-second: alone", "watched", "cost: median of the pairs", "least", "most")
	m.eachWatched(func(x *trial, c watchingCost) {
		alone, _ := m.cell(x.name(), ours, perCPU)
		with, _ := m.cell(x.name(), watched, perCPU)
		t.add(load(x), alone, with, c.String(), percent(c.Least), percent(c.Most))
	})
	return t.orNone()
}
