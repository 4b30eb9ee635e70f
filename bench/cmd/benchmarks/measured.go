//go:build pulsar && linux

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/pulsegate/pulsegate/bench"
)

// measured is the file of what was measured.
type measured struct {
	Machine machine  `json:"machine"`
	Trials  []trial  `json:"trials"`
	Records []record `json:"records,omitempty"` // by sessions
	Codec   *codec   `json:"codec,omitempty"`
}

// trial is the last measurement of a scenario.
type trial struct {
	Measured time.Time        `json:"measured"`
	Version  string           `json:"version"` // of pulsegate
	Quick    bool             `json:"quick,omitempty"`
	Compared bench.Comparison `json:"comparison"`
}

func (t *trial) name() string    { return t.Compared.Outcomes[0].Trial.Name }
func (t *trial) command() string { return t.Compared.Outcomes[0].Trial.Command }

// of is what a contestant did; nil: it did not take part, or no run was possible.
func (t *trial) of(contestant string) *bench.Outcome {
	if o := outcomeOf(&t.Compared, contestant); o != nil && len(o.Results) > 0 {
		return o
	}
	return nil
}

// outcomeOf is what a contestant did in the first trial compared; nil: it did not take part.
func outcomeOf(c *bench.Comparison, contestant string) *bench.Outcome {
	for i := range c.Outcomes {
		if o := &c.Outcomes[i]; o.Contestant == contestant {
			return o
		}
	}
	return nil
}

func (m *measured) find(name string) *trial {
	for i := range m.Trials {
		if m.Trials[i].name() == name {
			return &m.Trials[i]
		}
	}
	return nil
}

func readMeasured(path string) (*measured, error) {
	m := &measured{}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(b, m)
	}
	if err != nil {
		return nil, fmt.Errorf("read what was measured before: %w", err)
	}
	return m, nil
}

// forget drops what is not in the scenario file any more, and puts the rest in its order.
func (m *measured) forget(all []bench.Trial) {
	m.Trials = slices.DeleteFunc(m.Trials, func(t trial) bool {
		return place(all, t.name()) < 0
	})
	m.sort(all)
}

func (m *measured) sort(all []bench.Trial) {
	slices.SortStableFunc(m.Trials, func(a, b trial) int { return cmp.Compare(place(all, a.name()), place(all, b.name())) })
}

// place is where a trial stands in the scenario file; -1: nowhere.
func place(all []bench.Trial, name string) int {
	return slices.IndexFunc(all, func(s bench.Trial) bool { return s.Name == name })
}

// add puts a comparison of one trial in the place of an earlier one, and saves.
func (m *measured) add(t bench.Trial, c *bench.Comparison, o *options) error {
	version, err := exec.Command(o.binary, "version").Output()
	if err != nil {
		return fmt.Errorf("ask pulsegate for its version: %w", err)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(version)), "\n")
	for i := range c.Outcomes {
		for _, r := range c.Outcomes[i].Results {
			slim(r)
		}
	}
	done := trial{Measured: time.Now().UTC().Truncate(time.Second), Version: first, Quick: o.quick, Compared: *c}
	if before := m.find(t.Name); before != nil {
		*before = done
	} else {
		m.Trials = append(m.Trials, done)
	}
	m.Machine = thisMachine()
	return m.save(o.results)
}

// slim takes out what the page has no use for.
func slim(r *bench.Result) {
	r.Series, r.Kernel = nil, nil
	for _, l := range []*bench.Latency{&r.Latency.Open, &r.Latency.Publish, &r.Latency.EndToEnd} {
		l.Distribution = nil
	}
	if r.Server != nil {
		goroutines, ok := r.Server.Metrics["go_goroutines"]
		r.Server.Metrics = nil
		if ok {
			r.Server.Metrics = map[string]bench.Metric{"go_goroutines": goroutines}
		}
		r.Server.PIDs = nil
	}
	r.Target = ""
}

func (m *measured) save(path string) error {
	b, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("encode what was measured: %w", err)
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
