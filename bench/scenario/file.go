//go:build linux

package scenario

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"

	"github.com/pulsegate/pulsegate/bench"
)

// FileHelp describes the format for the help of commands.
const FileHelp = `The file is YAML. Each scenario has a name and says which one it is; runs says
how many are enough, if fewer than asked for; all other keys are its flags, as on
the command line. What stands under defaults is for all scenarios that have such
a flag:

  defaults:
    duration: 10s
  scenarios:
    - name: 100 B, unbatched
      scenario: publish
      producers: 50
      param: [sendTimeoutMillis=5000]
    - name: fan-out
      scenario: fanout
      readers: 2000
      rate: 20`

// scenarioFile is the format of a scenario file.
type scenarioFile struct {
	Defaults  yaml.MapSlice   `yaml:"defaults"`
	Scenarios []yaml.MapSlice `yaml:"scenarios"`
}

// setting is a flag and its value.
type setting struct{ flag, value string }

// Read reads a scenario file, with settings that count more than it. All of
// it is checked before anything runs. Trials whose name matches none of the
// expressions in only are left out, if there are any.
func Read(path string, set, only []string) ([]bench.Trial, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file scenarioFile
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: not a scenario file: %w", path, err)
	}
	defaults, err := settings(file.Defaults)
	if err != nil {
		return nil, fmt.Errorf("%s: defaults: %w", path, err)
	}
	var over []setting
	for _, s := range set {
		flag, value, ok := strings.Cut(s, "=")
		if !ok {
			return nil, fmt.Errorf("--set %s: must be flag=value", s)
		}
		over = append(over, setting{flag, value})
	}
	for _, s := range append(append([]setting(nil), defaults...), over...) {
		if !knownToAny(s.flag) {
			return nil, fmt.Errorf("%s: no scenario has a flag %q", path, s.flag)
		}
	}
	var trials []bench.Trial
	seen := map[string]bool{}
	for i, m := range file.Scenarios {
		trial, err := readTrial(m, defaults, over)
		if err != nil {
			return nil, fmt.Errorf("%s: scenario %d: %w", path, i+1, err)
		}
		if seen[trial.Name] {
			return nil, fmt.Errorf("%s: the name %q is there twice", path, trial.Name)
		}
		seen[trial.Name] = true
		trials = append(trials, trial)
	}
	if len(trials) == 0 {
		return nil, fmt.Errorf("%s: no scenario in it", path)
	}
	return chosen(trials, only)
}

func chosen(trials []bench.Trial, only []string) ([]bench.Trial, error) {
	if len(only) == 0 {
		return trials, nil
	}
	keep := map[string]bool{}
	for _, text := range only {
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, fmt.Errorf("--only: %w", err)
		}
		found := false
		for _, t := range trials {
			if re.MatchString(t.Name) {
				keep[t.Name], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("--only %s: no scenario has such a name", text)
		}
	}
	var left []bench.Trial
	for _, t := range trials {
		if keep[t.Name] {
			left = append(left, t)
		}
	}
	return left, nil
}

// settings reads the keys of a mapping as flags. A list sets a flag several times.
func settings(m yaml.MapSlice) ([]setting, error) {
	var all []setting
	for _, item := range m {
		flag := fmt.Sprint(item.Key)
		values, ok := item.Value.([]any)
		if !ok {
			values = []any{item.Value}
		}
		for _, v := range values {
			switch v.(type) {
			case string, bool, int64, uint64, float64:
				all = append(all, setting{flag, fmt.Sprint(v)})
			default:
				return nil, fmt.Errorf("%s: must be a value or a list of values", flag)
			}
		}
	}
	return all, nil
}

func knownToAny(flag string) bool {
	for _, s := range All() {
		if s.FlagSet(&Flags{}).Lookup(flag) != nil {
			return true
		}
	}
	return false
}

func find(name string) *Scenario {
	for _, s := range All() {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// FlagSet is a new set of the scenario's flags, which set f.
func (s *Scenario) FlagSet(f *Flags) *pflag.FlagSet {
	fs := pflag.NewFlagSet(s.Name, pflag.ContinueOnError)
	s.Register(f, fs)
	return fs
}

func readTrial(m yaml.MapSlice, defaults, over []setting) (bench.Trial, error) {
	own, err := settings(m)
	if err != nil {
		return bench.Trial{}, err
	}
	name, kind, enough, runs := "", "", "", 0
	var given []setting
	for _, s := range own {
		switch s.flag {
		case "name":
			name = s.value
		case "scenario":
			kind = s.value
		case "runs":
			enough = s.value
		default:
			given = append(given, s)
		}
	}
	scenario := find(kind)
	switch {
	case name == "":
		return bench.Trial{}, errors.New("it needs a name")
	case kind == "":
		return bench.Trial{}, fmt.Errorf("%s: it does not say which scenario it is", name)
	case scenario == nil:
		return bench.Trial{}, fmt.Errorf("%s: there is no scenario %q", name, kind)
	}
	if enough != "" {
		if runs, err = strconv.Atoi(enough); err != nil || runs < 1 {
			return bench.Trial{}, fmt.Errorf("%s: runs: %s is no number of runs", name, enough)
		}
	}
	final := given
	known := scenario.FlagSet(&Flags{})
	for _, s := range defaults {
		if known.Lookup(s.flag) != nil && !has(given, s.flag) {
			final = append(final, s)
		}
	}
	for _, s := range over {
		if known.Lookup(s.flag) != nil {
			final = append(without(final, s.flag), s)
		}
	}
	plan := func(c bench.Contestant) (bench.Plan, error) {
		f := &Flags{}
		fs := scenario.FlagSet(f)
		for _, s := range final {
			if fs.Lookup(s.flag) == nil {
				return bench.Plan{}, fmt.Errorf("%s has no flag %q", kind, s.flag)
			}
			if err := fs.Set(s.flag, s.value); err != nil {
				return bench.Plan{}, fmt.Errorf("%s: %w", s.flag, err)
			}
		}
		return scenario.Plan(f, c.URL)
	}
	if _, err := plan(bench.Contestant{URL: "ws://localhost"}); err != nil {
		return bench.Trial{}, fmt.Errorf("%s: %w", name, err)
	}
	return bench.Trial{Name: name, Command: commandLine(scenario, known, final), Runs: runs, Plan: plan}, nil
}

// commandLine is what one would type for the same.
func commandLine(s *Scenario, fs *pflag.FlagSet, all []setting) string {
	parts := []string{s.Name}
	for _, x := range all {
		value := x.value
		if strings.ContainsAny(value, " '\"$&;|<>*?()") {
			value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
		}
		switch {
		case fs.Lookup(x.flag).Value.Type() == "bool" && value == "true":
			parts = append(parts, "--"+x.flag)
		case fs.Lookup(x.flag).Value.Type() == "bool":
			parts = append(parts, "--"+x.flag+"="+value)
		default:
			parts = append(parts, "--"+x.flag, value)
		}
	}
	return strings.Join(parts, " ")
}

func has(all []setting, flag string) bool {
	for _, s := range all {
		if s.flag == flag {
			return true
		}
	}
	return false
}

func without(all []setting, flag string) []setting {
	var left []setting
	for _, s := range all {
		if s.flag != flag {
			left = append(left, s)
		}
	}
	return left
}
