package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Metrics reads what /metrics tells, by name with labels. The test ends when it cannot be read.
func (g *Gateway) Metrics() map[string]float64 {
	g.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(g.HTTPURL() + "/metrics")
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	all := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ') // labels may have spaces, too
		var v float64
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := fmt.Sscan(line[at:], &v); err == nil {
			all[line[:at]] = v
		}
	}
	return all
}
