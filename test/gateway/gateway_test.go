package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestLife runs the real binary on its embedded topics: it is ready when Start returns, gone after Stop and Kill, and
// there again, at the same address, after another Start.
func TestLife(t *testing.T) {
	g := Start(t, Options{Embedded: true})
	url := g.HTTPURL() + "/readyz"
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ready := func() bool {
		resp, err := client.Get(url)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	for name, end := range map[string]func(){"stopped": g.Stop, "killed": g.Kill} {
		if !ready() {
			t.Fatalf("not ready after Start:\n%s", g.Logs())
		}
		end()
		if ready() || g.Pid() != 0 {
			t.Fatalf("still there after it was %s", name)
		}
		g.Start()
	}
	if g.Logs() == "" {
		t.Error("nothing logged")
	}
}

// TestReusePort runs two gateways on one port. Both serve what comes to it, and when one is killed, the other serves all.
func TestReusePort(t *testing.T) {
	one := Start(t, Options{Embedded: true, Conf: map[string]string{"reusePort": "true"}})
	_, port, _ := strings.Cut(strings.TrimPrefix(one.HTTPURL(), "http://"), ":")
	two := Start(t, Options{Embedded: true, Conf: map[string]string{"reusePort": "true", "webServicePort": port}})

	// The process that answers a new connection is known by what it says of itself.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	who := func() string {
		resp, err := client.Get(one.HTTPURL() + "/metrics")
		if err != nil {
			t.Fatalf("no process answers: %v", err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "process_start_time_seconds "); ok {
				return rest
			}
		}
		t.Fatal("the metrics do not say when the process began")
		return ""
	}
	both := func(what string) {
		t.Helper()
		served := map[string]bool{}
		for deadline := time.Now().Add(readyTimeout); len(served) < 2; served[who()] = true {
			if time.Now().After(deadline) {
				t.Fatalf("%s: one process serves all connections", what)
			}
		}
	}
	both("at first")
	two.Kill()
	only := who()
	for range 50 {
		if who() != only {
			t.Fatal("another process than the one that is left answers")
		}
	}
	two.Start()
	both("after one was killed and started")
}
