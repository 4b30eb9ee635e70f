// Package gateway runs pulsegate for tests as its users do: the binary, as a process of its own, on a port of its own. The
// process dies with the test.
package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/test/child"
	"github.com/pulsegate/pulsegate/test/logs"
	"github.com/pulsegate/pulsegate/test/port"
)

// EnvRace names the environment variable that, when not empty, makes Start run a binary built with the race detector. A
// race it finds fails the test.
const EnvRace = "PULSEGATE_TEST_RACE"

// Time limits of a gateway's life. It starts in a tenth of a second and drains in a few; what takes longer hangs.
const (
	readyTimeout = 60 * time.Second
	stopTimeout  = 60 * time.Second
)

// Options of a Gateway.
type Options struct {
	// Conf is written to the configuration file. bindAddress and webServicePort are set unless they are given.
	Conf map[string]string
	// BrokerConf names the configuration file of the broker whose WebSocket service the gateway is. Conf is then set on
	// the command line.
	BrokerConf string
	// Embedded serves topics inside the process instead of a cluster's.
	Embedded bool
	// Args follow "serve" and the arguments above.
	Args []string
	// Env is added to the environment, as key=value.
	Env []string
	// Output, unless nil, is where the process prints. Logs then stays empty.
	Output *os.File
}

// Gateway is one pulsegate at one address. It may be stopped and started again. Its methods may be called from one
// goroutine at a time; URL, HTTPURL and Logs from any.
type Gateway struct {
	t    testing.TB
	bin  string
	args []string
	env  []string
	addr string
	out  *os.File // nil: logs
	logs *logs.Buffer

	path  string            // of the configuration file
	place map[string]string // what it says unless it is given

	cmd  *exec.Cmd // nil while it does not run
	done chan struct{}
	err  error // of the process; valid once done is closed
}

// Start runs pulsegate and returns once it is ready, that is, /readyz answers 200. The test fails when it cannot be built,
// does not start, or ends badly; then its log is shown. It is stopped when the test ends.
func Start(t testing.TB, o Options) *Gateway {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatalf("build pulsegate: %v", err)
	}
	ports, err := port.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	place := map[string]string{"bindAddress": "127.0.0.1", "webServicePort": strconv.Itoa(ports[0])}
	conf := maps.Clone(place)
	maps.Copy(conf, o.Conf)
	path := filepath.Join(t.TempDir(), "websocket.conf")
	if err := os.WriteFile(path, properties(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"serve", "-c", path}
	if o.BrokerConf != "" {
		args = []string{"serve", "--broker-conf", o.BrokerConf}
		for _, key := range slices.Sorted(maps.Keys(conf)) {
			args = append(args, "--set", key+"="+conf[key])
		}
	}
	if o.Embedded {
		args = append(args, "--embedded")
	}
	g := &Gateway{
		t: t, bin: bin, args: append(args, o.Args...), env: append(environ(), o.Env...),
		addr: "127.0.0.1:" + conf["webServicePort"], out: o.Output, logs: &logs.Buffer{}, path: path, place: place,
	}
	t.Cleanup(func() {
		g.Stop()
		if strings.Contains(g.Logs(), "WARNING: DATA RACE") {
			t.Error("pulsegate has a data race")
		}
		if t.Failed() {
			t.Logf("pulsegate's log:\n%s", g.Logs())
		}
	})
	g.Start()
	return g
}

// environ is the environment without what pulsegate would take for its configuration.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return config.IsVariable(name)
	})
}

// Start runs the gateway again, after Stop or Kill, at the same address and with the same configuration.
func (g *Gateway) Start() {
	g.t.Helper()
	if g.cmd != nil {
		g.t.Fatal("start pulsegate: it runs")
	}
	cmd := exec.Command(g.bin, g.args...)
	cmd.Env = g.env
	cmd.Stdout, cmd.Stderr = g.logs, g.logs
	if g.out != nil {
		cmd.Stdout, cmd.Stderr = g.out, g.out
	}
	wait, err := child.Start(cmd)
	if err != nil {
		g.t.Fatalf("start pulsegate: %v", err)
	}
	g.cmd, g.done = cmd, make(chan struct{})
	go func(done chan struct{}) {
		g.err = wait()
		close(done)
	}(g.done)
	if err := g.awaitReady(); err != nil {
		g.Kill()
		g.t.Fatalf("start pulsegate: %v", err)
	}
}

// awaitReady returns nil once /readyz answers 200.
func (g *Gateway) awaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.HTTPURL()+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("/readyz answers %s", resp.Status)
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-g.done:
			return fmt.Errorf("it ended: %v", g.err)
		case <-ctx.Done():
			return fmt.Errorf("not ready after %s: %w", readyTimeout, last)
		case <-tick.C:
		}
	}
}

// Configure writes the configuration file anew. Who is to read it has to be told, by SIGHUP or a start. It returns the
// file's path.
func (g *Gateway) Configure(conf map[string]string) string {
	g.t.Helper()
	all := maps.Clone(g.place)
	maps.Copy(all, conf)
	if err := os.WriteFile(g.path, properties(all), 0o644); err != nil {
		g.t.Fatal(err)
	}
	return g.path
}

// URL is where WebSocket sessions are opened, such as ws://127.0.0.1:23456.
func (g *Gateway) URL() string { return "ws://" + g.addr }

// HTTPURL is where statistics and metrics are served, such as http://127.0.0.1:23456.
func (g *Gateway) HTTPURL() string { return "http://" + g.addr }

// Pid is the process number, for reading what it uses. 0 while it does not run.
func (g *Gateway) Pid() int {
	if g.cmd == nil {
		return 0
	}
	return g.cmd.Process.Pid
}

// Logs is everything the process has printed, over all its starts.
func (g *Gateway) Logs() string { return g.logs.String() }

// Signal sends a signal to the process, such as SIGTERM to see it drain, and does not wait.
func (g *Gateway) Signal(sig os.Signal) {
	g.t.Helper()
	if g.cmd == nil {
		g.t.Fatalf("send %s to pulsegate: it does not run", sig)
	}
	if err := g.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		g.t.Fatalf("send %s to pulsegate: %v", sig, err)
	}
}

// Kill ends the process as kill -9 does and returns once it is gone. It does nothing when it does not run.
func (g *Gateway) Kill() {
	if g.cmd == nil {
		return
	}
	_ = g.cmd.Process.Kill() // fails only when it has ended already
	<-g.done
	g.cmd = nil
}

// Stop sends SIGTERM and returns once the process is gone. The test fails when its exit code is not 0, or when it has
// to be killed because it takes longer than any drain should. It does nothing when it does not run.
func (g *Gateway) Stop() {
	g.t.Helper()
	if g.cmd == nil {
		return
	}
	g.Signal(syscall.SIGTERM)
	select {
	case <-g.done:
		g.cmd = nil
		if g.err != nil {
			g.t.Errorf("pulsegate ended: %v", g.err)
		}
	case <-time.After(stopTimeout):
		g.Signal(syscall.SIGQUIT) // Go prints its goroutines
		select {
		case <-g.done:
		case <-time.After(5 * time.Second):
		}
		g.Kill()
		g.t.Errorf("pulsegate still ran %s after SIGTERM", stopTimeout)
	}
}

// Wait returns when the process has ended by itself, with its exit code.
func (g *Gateway) Wait(ctx context.Context) (int, error) {
	if g.cmd == nil {
		return 0, errors.New("wait for pulsegate: it does not run")
	}
	select {
	case <-g.done:
		code := g.cmd.ProcessState.ExitCode()
		g.cmd = nil
		return code, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for pulsegate: %w", ctx.Err())
	}
}

// Binary builds pulsegate, once for this test binary, and returns its path.
func Binary(t testing.TB) string {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatalf("build pulsegate: %v", err)
	}
	return bin
}

// build makes the binary once for this test binary, in bin/ at the top of the module. Other test binaries do so meanwhile,
// and run what is there: go has to link beside it, as it renames what it has linked on the same file system, and else copies.
var build = sync.OnceValues(func() (string, error) {
	gomod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(gomod)))
	bin := filepath.Join(root, "bin", "pulsegate")
	work := filepath.Join(root, "bin", ".build") // ./... leaves it out
	if err := os.MkdirAll(work, 0o755); err != nil {
		return "", err
	}
	env := append(os.Environ(), "GOTMPDIR="+work, "CGO_ENABLED=0")
	args := []string{"build"}
	if os.Getenv(EnvRace) != "" {
		bin += "-race"
		args = append(args, "-race")
		env = append(env, "CGO_ENABLED=1")
	}
	cmd := exec.Command("go", append(args, "-o", bin, "./cmd/pulsegate")...)
	cmd.Dir, cmd.Env = root, env
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return bin, nil
})

// properties writes a configuration file. The values must not need escaping.
func properties(conf map[string]string) []byte {
	var b bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(conf)) {
		fmt.Fprintf(&b, "%s=%s\n", key, conf[key])
	}
	return b.Bytes()
}
