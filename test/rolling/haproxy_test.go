//go:build pulsar && linux

package rolling

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/test/child"
	"github.com/pulsegate/pulsegate/test/logs"
	"github.com/pulsegate/pulsegate/test/port"
)

// example is the configuration that users are given, which is what is tested.
const example = "../../deploy/haproxy/haproxy.cfg"

// haproxy is a running HAProxy in front of gateways.
type haproxy struct {
	t     *testing.T
	addr  string
	stats string // URL
}

// startHAProxy runs HAProxy with the example's configuration, in front of these addresses, until the test ends.
func startHAProxy(t *testing.T, gateways ...string) *haproxy {
	t.Helper()
	bin, err := exec.LookPath("haproxy")
	if err != nil {
		bin = "/usr/sbin/haproxy" // not on every user's PATH
	}
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	ports, err := port.Free(2)
	if err != nil {
		t.Fatal(err)
	}
	h := &haproxy{t: t, addr: "127.0.0.1:" + strconv.Itoa(ports[0]), stats: fmt.Sprintf("http://127.0.0.1:%d/stats;csv", ports[1])}
	conf := string(text)
	change := func(from, to string) {
		t.Helper()
		if strings.Count(conf, from) != 1 {
			t.Fatalf("%s does not have %q once", example, from)
		}
		conf = strings.Replace(conf, from, to, 1)
	}
	change("bind :8080", "bind "+h.addr)
	for i, addr := range gateways {
		change(fmt.Sprintf("server gateway%d 192.0.2.1%d:8080", i+1, i+1), fmt.Sprintf("server gateway%d %s", i+1, addr))
	}
	conf += fmt.Sprintf("\nfrontend state\n    bind 127.0.0.1:%d\n    stats enable\n    stats uri /stats\n", ports[1])
	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	out := &logs.Buffer{}
	cmd := exec.Command(bin, "-db", "-f", path)
	cmd.Stdout, cmd.Stderr = out, out
	wait, err := child.Start(cmd)
	if err != nil {
		t.Fatalf("start HAProxy: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // fails only when it has ended already
		<-ended
		if t.Failed() {
			t.Logf("HAProxy's log:\n%s", out)
		}
	})
	for i := range gateways {
		h.await(i, "UP")
	}
	return h
}

// state is what HAProxy thinks of a gateway, such as "UP", or "UP 1/2" when a check of it has failed.
func (h *haproxy) state(gateway int) string {
	ctx, cancel := context.WithTimeout(h.t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.stats, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error() // it has not started yet
	}
	defer resp.Body.Close()
	rows, err := csv.NewReader(resp.Body).ReadAll()
	if err != nil || len(rows) == 0 {
		h.t.Fatalf("HAProxy's statistics: %v", err)
	}
	for _, row := range rows {
		if row[1] != fmt.Sprintf("gateway%d", gateway+1) {
			continue
		}
		for i, name := range rows[0] {
			if name == "status" {
				return row[i]
			}
		}
	}
	h.t.Fatalf("HAProxy knows no gateway %d: %v", gateway, rows)
	return ""
}

// await returns once HAProxy thinks that of a gateway.
func (h *haproxy) await(gateway int, state string) {
	h.t.Helper()
	await(h.t, fmt.Sprintf("HAProxy takes gateway %d for %s", gateway+1, state), func() bool { return h.state(gateway) == state })
}
