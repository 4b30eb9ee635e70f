package gateway

import (
	"net/http"
	"testing"
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
