package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/bench"
	"github.com/pulsegate/pulsegate/bench/scenario"
	"github.com/pulsegate/pulsegate/test/port"
)

// command runs a command line.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(args, &out, &errs)
	return code, out.String(), errs.String()
}

var scenarios = []string{"idle", "publish", "consume", "e2e", "fanout", "churn", "mixed"}

func TestUsageErrors(t *testing.T) {
	const target = "ws://127.0.0.1:1"
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"nothing"}, "nothing"},
		{[]string{"publish"}, "1 arg"},
		{[]string{"publish", "http://x"}, "ws://host:port"},
		{[]string{"publish", target, "--nothing"}, "--nothing"},
		{[]string{"publish", target, "--readers", "1"}, "--readers"},
		{[]string{"publish", target, "--rate", "x"}, `--rate "x": it must be`},
		{[]string{"publish", target, "--duration", "5"}, `--duration "5": it must be a duration with its unit, such as`},
		{[]string{"publish", target, "--payload", "29"}, "30"},
		{[]string{"publish", target, "--payload-file", "gone.bin"}, "gone.bin"},
		{[]string{"publish", target, "--property", "a"}, "name=value"},
		{[]string{"publish", target, "--api", "v9"}, "v9"},
		{[]string{"publish", target, "--source", "x"}, "--source x"},
		{[]string{"publish", target, "--ca", "gone.pem"}, "gone.pem"},
		{[]string{"publish", target, "--token-file", "gone.jwt"}, "gone.jwt"},
		{[]string{"publish", target, "--cert", "main_linux.go"}, "--key"},
		{[]string{"publish", target, "--cert", "main_linux.go", "--key", "main_linux.go"}, "certificate"},
		{[]string{"publish", target, "--processes", "0"}, "0 processes"},
		{[]string{"churn", "pulsar://127.0.0.1:1"}, "not possible with a target pulsar://"},
		{[]string{"publish", target, "--producers", "0"}, "no sessions"},
		{[]string{"publish", target, "--producers", "-1"}, "-1 sessions"},
		{[]string{"idle", target, "--mode", "x"}, "--mode x"},
		{[]string{"idle", target, "--sessions", "1000000000"}, "ulimit -n"},
		{[]string{"e2e", target, "--subscription-type", "x"}, "--subscription-type x"},
		{[]string{"e2e", target, "--subscriptions", "0"}, "--subscriptions 0"},
		{[]string{"churn", target, "--lifetime", "0s"}, "--lifetime"},
	} {
		code, _, stderr := command(t, tc.args...)
		if code != exitUsage || !strings.Contains(stderr, tc.want) {
			t.Errorf("%q: exit code %d, %q", tc.args, code, stderr)
		}
	}
}

func TestUnreachable(t *testing.T) {
	target := "ws://" + port.Deaf(t).String()
	for _, name := range scenarios {
		code, _, stderr := command(t, name, target)
		if code != exitRuntime || !strings.Contains(stderr, "connection refused") {
			t.Errorf("%s: exit code %d, %q", name, code, stderr)
		}
	}
}

// silentServer takes sessions and says nothing more.
func silentServer(t *testing.T) (target string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var up websocket.Upgrader
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		for {
			if _, _, err := ws.ReadMessage(); err != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// Each scenario opens its sessions.
func TestScenarios(t *testing.T) {
	target := silentServer(t)
	for name, tc := range map[string]struct {
		args     []string
		code     int
		sessions uint64
	}{
		"idle":    {[]string{"--sessions", "5", "--mode", "distinct"}, exitOK, 5},
		"publish": {[]string{"--producers", "3", "--rate", "100", "--drain", "10ms"}, exitFaulty, 3},
		"consume": {[]string{"--consumers", "2", "--readers", "1"}, exitOK, 3},
		"e2e":     {[]string{"--producers", "2", "--consumers", "3", "--slow", "1", "--drain", "10ms"}, exitFaulty, 6},
		"fanout":  {[]string{"--readers", "4", "--drain", "10ms"}, exitFaulty, 5},
		"churn":   {[]string{"--sessions", "5", "--lifetime", "1h"}, exitOK, 5},
		"mixed":   {[]string{"--idle", "7", "--producers", "1", "--consumers", "1", "--drain", "10ms"}, exitFaulty, 9},
	} {
		file := filepath.Join(t.TempDir(), "result.json")
		args := append([]string{name, target, "--warm-up", "0s", "--duration", "100ms", "--json", file}, tc.args...)
		code, stdout, stderr := command(t, args...)
		if code != tc.code || !strings.Contains(stdout, name+" against ws://") || !strings.Contains(stderr, "sessions") {
			t.Errorf("%s: exit code %d\n%s%s", name, code, stdout, stderr)
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var r bench.Result
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		if r.Scenario != name || r.Sessions.Opened != tc.sessions || r.Sessions.Failed+r.Sessions.Dropped != 0 {
			t.Errorf("%s: %+v %v", name, r.Sessions, r.Faults)
		}
	}
}

func trialFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bench.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCompareUsageErrors(t *testing.T) {
	const good = "scenarios:\n- {name: one, scenario: idle, sessions: 1}\n"
	target := []string{"--target", "a=ws://127.0.0.1:1"}
	with := func(args ...string) []string { return append(args, target...) }
	one := func(rest string) string { return "scenarios:\n- {name: one, " + rest + "}\n" }
	for _, tc := range []struct {
		text string
		args []string
		want string
	}{
		{good, nil, "--target"},
		{good, []string{"--target", "a"}, "name=URL"},
		{good, with(target...), "twice"},
		{good, with("--pid", "b=1"), "--pid b=1"},
		{good, with("--pid", "a=x"), "--pid a=x"},
		{good, with("--runs", "0"), "--runs 0"},
		{good, with("--set", "x"), "flag=value"},
		{good, with("--set", "nothing=1"), `"nothing"`},
		{good, with("--set", "duration=x"), "duration"},
		{good, with("--only", "two"), "--only two"},
		{good, with("--only", "("), "--only"},
		{"# nothing\n", target, "no scenario"},
		{"scenarios: [\n", target, "not a scenario file"},
		{"trials: []\n", target, "trials"},
		{good + "defaults: {nothing: 1}\n", target, `"nothing"`},
		{good + "defaults: {duration: {a: 1}}\n", target, "duration"},
		{"scenarios:\n- {scenario: idle}\n", target, "needs a name"},
		{"scenarios:\n- {name: one}\n", target, "which scenario"},
		{one("scenario: nothing"), target, `"nothing"`},
		{one("scenario: idle, nothing: 1"), target, `"nothing"`},
		{one("scenario: idle, rate: 1"), target, `idle has no flag "rate"`},
		{one("scenario: idle, mode: x"), target, "--mode x"},
		{one("scenario: idle, sessions: many"), target, "sessions"},
		{good + "- {name: one, scenario: publish}\n", target, "twice"},
		{one("scenario: publish, payload: 3"), target, "30"},
	} {
		code, _, stderr := command(t, append([]string{"compare", trialFile(t, tc.text)}, tc.args...)...)
		if code != exitUsage || !strings.Contains(stderr, tc.want) {
			t.Errorf("%q %q: exit code %d, %q", tc.text, tc.args, code, stderr)
		}
	}
}

// twoTrials has defaults that count where a scenario has such a flag, and lists.
const twoTrials = `# two
defaults: {warm-up: 0s, duration: 5h, readers: 7}
scenarios:
- name: quiet
  scenario: idle
  sessions: 2
  duration: 50ms
- name: "'n' | x"
  scenario: idle
  sessions: 1
  mode: readers
  param: [a=b c, d=e]
`

func TestCompare(t *testing.T) {
	s := silentServer(t)
	file := trialFile(t, twoTrials)
	dir := t.TempDir()
	markdown, results := filepath.Join(dir, "t.md"), filepath.Join(dir, "r.json")
	code, stdout, stderr := command(t, "compare", file, "--runs", "2", "--pause", "0s", "--set", "duration=40ms",
		"--target", "a="+s, "--target", "b="+s, "--pid", "b="+strconv.Itoa(os.Getpid()),
		"--markdown", markdown, "--json", results, "--charts", filepath.Join(dir, "charts"))
	if code != exitOK || !strings.Contains(stderr, "quiet: b, run 2 of 2") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	table, err := os.ReadFile(markdown)
	if err != nil || string(table) != stdout || !strings.Contains(stdout, "| quiet | b |") {
		t.Errorf("%v\n%s", err, stdout)
	}
	for _, want := range []string{
		"`pulsegate bench idle --sessions 2 --warm-up 0s --duration 40ms`",
		"`pulsegate bench idle --sessions 1 --mode readers --param 'a=b c' --param d=e --warm-up 0s --duration 40ms`",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %s in\n%s", want, stdout)
		}
	}
	b, err := os.ReadFile(results)
	if err != nil {
		t.Fatal(err)
	}
	var c bench.Comparison
	if err := json.Unmarshal(b, &c); err != nil || len(c.Outcomes) != 4 || len(c.Outcomes[0].Results) != 2 {
		t.Errorf("%v %+v", err, c)
	}
	if _, err := os.Stat(filepath.Join(dir, "charts", "latency-p99.svg")); err != nil {
		t.Error(err)
	}
}

func TestRun(t *testing.T) {
	code, stdout, stderr := command(t, "run", trialFile(t, twoTrials), silentServer(t), "--only", "quiet")
	if code != exitOK || strings.Count(stdout, "idle against") != 1 || !strings.Contains(stdout, "2 of 2 open") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// The file of budgets is one that compare takes.
func TestBudgets(t *testing.T) {
	trials, err := scenario.Read("../../bench/budgets.yaml", nil, nil)
	if err != nil || len(trials) < 20 {
		t.Errorf("%d trials, %v", len(trials), err)
	}
}
