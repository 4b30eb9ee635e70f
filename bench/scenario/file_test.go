//go:build linux

package scenario

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/bench"
)

// readText reads text as a scenario file.
func readText(t *testing.T, text string, set, only []string) ([]bench.Trial, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scenarios.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Read(path, set, only)
}

const twoScenarios = `
defaults: {duration: 3s, window: 7, readers: 5}
scenarios:
  - {name: small, scenario: publish, runs: 1, producers: 2, window: 9, batching: true, property: [a=b c, d=e]}
  - {name: wide, scenario: fanout, rate: 2.5}
`

func TestFile(t *testing.T) {
	for _, c := range []struct {
		name      string
		set, only []string
		want      map[string]string // the command of each trial
	}{
		{
			name: "defaults count where a scenario says nothing and has the flag",
			want: map[string]string{
				"small": "publish --producers 2 --window 9 --batching --property 'a=b c' --property d=e --duration 3s",
				"wide":  "fanout --rate 2.5 --duration 3s --window 7 --readers 5",
			},
		},
		{
			name: "what is set counts more than the file",
			set:  []string{"window=1", "readers=8"},
			want: map[string]string{
				"small": "publish --producers 2 --batching --property 'a=b c' --property d=e --duration 3s --window 1",
				"wide":  "fanout --rate 2.5 --duration 3s --window 1 --readers 8",
			},
		},
		{
			name: "only the chosen",
			only: []string{"^wi"},
			want: map[string]string{"wide": "fanout --rate 2.5 --duration 3s --window 7 --readers 5"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			trials, err := readText(t, twoScenarios, c.set, c.only)
			if err != nil {
				t.Fatal(err)
			}
			if len(trials) != len(c.want) {
				t.Errorf("%d trials, want %d", len(trials), len(c.want))
			}
			for _, trial := range trials {
				if runs := trial.RunsOf(3); runs != map[string]int{"small": 1, "wide": 3}[trial.Name] {
					t.Errorf("%s is run %d times", trial.Name, runs)
				}
				if trial.Command != c.want[trial.Name] {
					t.Errorf("%s:\n got %s\nwant %s", trial.Name, trial.Command, c.want[trial.Name])
				}
			}
		})
	}
}

// A trial's plan is made anew for each server, with the values of the file.
func TestFilePlan(t *testing.T) {
	trials, err := readText(t, twoScenarios, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"ws://one:1", "ws://two:2"} {
		plan, err := trials[0].Plan(bench.Contestant{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		if plan.Target.URL != url || plan.Window != 9 || plan.Duration.Seconds() != 3 {
			t.Errorf("target %s, window %d, duration %s", plan.Target.URL, plan.Window, plan.Duration)
		}
		if p := plan.Message.Properties; len(p) != 2 || p["a"] != "b c" || p["d"] != "e" {
			t.Errorf("properties %v", p)
		}
		if len(plan.Groups) != 1 || plan.Groups[0].Sessions != 2 || plan.Groups[0].Params.Get("batchingEnabled") != "true" {
			t.Errorf("groups %+v", plan.Groups)
		}
	}
}

func TestBadFile(t *testing.T) {
	scenario := func(keys string) string { return "scenarios:\n  - {name: x, " + keys + "}\n" }
	for _, c := range []struct {
		name, text string
		set, only  []string
		want       []string // all in the error
	}{
		{name: "no YAML", text: "{", want: []string{"not a scenario file"}},
		{name: "unknown key", text: "scenario: []", want: []string{"not a scenario file", "scenario"}},
		{name: "empty", text: "", want: []string{"no scenario in it"}},
		{name: "no name", text: "scenarios:\n  - {scenario: idle}\n", want: []string{"scenario 1", "needs a name"}},
		{name: "no kind", text: scenario("sessions: 1"), want: []string{"x", "does not say which scenario"}},
		{name: "unknown kind", text: scenario("scenario: run"), want: []string{"x", `no scenario "run"`}},
		{name: "unknown flag", text: scenario("scenario: idle, rate: 1"), want: []string{"x", `idle has no flag "rate"`}},
		{name: "bad value", text: scenario("scenario: idle, sessions: many"), want: []string{"x", "sessions", "many"}},
		{name: "nested value", text: scenario("scenario: idle, sessions: {a: 1}"), want: []string{"sessions", "a value or a list"}},
		{name: "refused by the scenario", text: scenario("scenario: idle, mode: odd"), want: []string{"x", "--mode odd"}},
		{name: "runs", text: scenario("scenario: idle, runs: 0"), want: []string{"x", "runs: 0 is no number"}},
		{name: "twice", text: twoScenarios + "  - {name: small, scenario: idle}\n", want: []string{`"small"`, "twice"}},
		{name: "unknown default", text: "defaults: {sesions: 1}\n" + scenario("scenario: idle"), want: []string{`no scenario has a flag "sesions"`}},
		{name: "set without a value", text: twoScenarios, set: []string{"window"}, want: []string{"--set window", "flag=value"}},
		{name: "set of nothing", text: twoScenarios, set: []string{"windw=1"}, want: []string{`"windw"`}},
		{name: "none chosen", text: twoScenarios, only: []string{"tall"}, want: []string{"--only tall"}},
		{name: "no expression", text: twoScenarios, only: []string{"("}, want: []string{"--only"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := readText(t, c.text, c.set, c.only)
			if err == nil {
				t.Fatal("was taken")
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
		})
	}
}

// The example that the help shows is a scenario file.
func TestFileHelpIsTrue(t *testing.T) {
	_, example, ok := strings.Cut(FileHelp, "\n\n")
	if !ok {
		t.Fatal("there is no example")
	}
	trials, err := readText(t, example, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, trial := range trials {
		names = append(names, trial.Name)
	}
	if want := []string{"100 B, unbatched", "fan-out"}; !slices.Equal(names, want) {
		t.Errorf("it has %q, want %q", names, want)
	}
}
