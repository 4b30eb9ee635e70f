// Package daemon runs the scripts in deploy/pulsar as an operator does who had Pulsar's own.
package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/port"
)

// timeout bounds each run of a script.
const timeout = time.Minute

// home is an installation with the scripts, pulsegate and a configuration.
type home struct {
	t   *testing.T
	dir string
	url string
	env []string
}

// install makes one. Topics are kept in the process.
func install(t *testing.T, program string, env ...string) *home {
	t.Helper()
	h := &home{t: t, dir: t.TempDir(), env: append(os.Environ(), append(env, "HOSTNAME=box")...)}
	for _, name := range []string{"bin", "conf"} {
		if err := os.Mkdir(filepath.Join(h.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"pulsar", "pulsar-daemon"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "pulsar", "bin", name))
		if err != nil {
			t.Fatal(err)
		}
		h.write("bin/"+name, string(text))
	}
	if program == "" {
		if err := os.Symlink(gateway.Binary(t), filepath.Join(h.dir, "bin", "pulsegate")); err != nil {
			t.Fatal(err)
		}
	} else {
		h.write("bin/pulsegate", program)
	}
	ports, err := port.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	h.url = fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	h.write("conf/websocket.conf", fmt.Sprintf("bindAddress=127.0.0.1\nwebServicePort=%d\n", ports[0]))
	t.Cleanup(func() {
		for _, dir := range []string{"bin", "pids"} {
			if pid := h.pid(filepath.Join(dir, "pulsar-websocket.pid")); pid > 0 && pid != os.Getpid() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	return h
}

func (h *home) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o755); err != nil {
		h.t.Fatal(err)
	}
}

func (h *home) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(h.dir, name))
	return string(text)
}

func (h *home) pid(name string) int {
	n, _ := strconv.Atoi(strings.TrimSpace(h.read(name)))
	return n
}

// daemon runs pulsar-daemon, which must end with the code and print the texts.
func (h *home) daemon(code int, args string, texts ...string) string {
	h.t.Helper()
	return h.script("pulsar-daemon", code, args, texts...)
}

func (h *home) script(name string, code int, args string, texts ...string) string {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(h.dir, "bin", name), strings.Fields(args)...)
	cmd.Env, cmd.Dir = h.env, h.t.TempDir() // from wherever it is called
	var out bytes.Buffer
	// A file, not a pipe, so that what is left running does not keep Run waiting.
	file, err := os.CreateTemp(h.t.TempDir(), "out")
	if err != nil {
		h.t.Fatal(err)
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	err = cmd.Run()
	if text, err := os.ReadFile(file.Name()); err == nil {
		out.Write(text)
	}
	got := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		h.t.Fatalf("%s %s: %v", name, args, err)
	}
	if got != code {
		h.t.Errorf("%s %s: exit code %d, want %d; it printed:\n%s", name, args, got, code, out.String())
	}
	for _, text := range texts {
		if !strings.Contains(out.String(), text) {
			h.t.Errorf("%s %s: %q is not in\n%s", name, args, text, out.String())
		}
	}
	return out.String()
}

// serves reports whether the gateway answers.
func (h *home) serves() bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: timeout}
	resp, err := client.Get(h.url + "/healthz")
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

const pidFile, logFile = "bin/pulsar-websocket.pid", "logs/pulsar-websocket-box.log"

func TestDaemon(t *testing.T) {
	h := install(t, "")
	h.daemon(3, "status websocket", "websocket is not running")
	h.daemon(0, "stop websocket", "doing stop websocket ...", "no websocket to stop")

	h.daemon(0, "start websocket --embedded", "doing start websocket ...", "starting websocket, logging to "+filepath.Join(h.dir, logFile))
	first := h.pid(pidFile)
	if !h.serves() || first == 0 || !strings.Contains(h.read(logFile), "listening") {
		t.Fatalf("pid %d, log %q", first, h.read(logFile))
	}
	h.daemon(0, "status websocket", fmt.Sprintf("websocket is running as process %d", first))
	h.daemon(1, "start websocket --embedded", fmt.Sprintf("websocket running as process %d.  Stop it first.", first))
	if h.pid(pidFile) != first || !h.serves() {
		t.Fatal("a second start has touched the first")
	}

	h.daemon(0, "restart websocket --embedded", "stopping websocket", "Shutdown completed.", "starting websocket")
	if second := h.pid(pidFile); second == first || !h.serves() {
		t.Fatalf("pid %d after %d", second, first)
	}
	if h.read("logs/pulsar-websocket-box.out.1") == "" && h.read("logs/pulsar-websocket-box.out") == "" {
		t.Error("no output was kept")
	}

	h.daemon(0, "stop websocket", "stopping websocket", "Shutdown completed.")
	if h.serves() || h.pid(pidFile) != 0 {
		t.Fatal("it still runs, or its PID file is still there")
	}
	h.daemon(3, "status websocket")
	if log := h.read(logFile); strings.Count(log, "msg=drained") != 2 {
		t.Errorf("it was not ended in good order twice:\n%s", log)
	}
}

// A PID file that was left behind, with a number that is nobody's or another program's, which must not be ended.
func TestStalePIDFile(t *testing.T) {
	h := install(t, "")
	other := exec.Command("sleep", "600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- other.Wait() }()
	defer func() {
		_ = other.Process.Kill()
		<-ended
	}()
	for _, stale := range []string{strconv.Itoa(other.Process.Pid), "4194305", "", "text", "-1"} {
		h.write(pidFile, stale+"\n")
		h.daemon(1, "status websocket", "is not running, but")
		h.daemon(0, "stop websocket -force", "no websocket to stop")
		if _, err := os.Stat(filepath.Join(h.dir, pidFile)); err == nil {
			t.Errorf("%q: the file is still there", stale)
		}
	}
	h.write(pidFile, strconv.Itoa(other.Process.Pid))
	h.daemon(0, "start websocket --embedded")
	if !h.serves() {
		t.Error("it does not serve")
	}
	h.daemon(0, "stop websocket")
	select {
	case <-ended:
		t.Error("another program was ended")
		ended <- nil
	default:
	}
}

// A start that fails says why, has exit code 1 and leaves no PID file.
func TestFailingStart(t *testing.T) {
	h := install(t, "")
	conf := h.read("conf/websocket.conf")
	h.write("conf/websocket.conf", conf+"webSocketMaxTextFrameSize=many\n")
	h.daemon(1, "start websocket --embedded", "webSocketMaxTextFrameSize=many", "websocket.conf:3", "websocket did not start")
	h.daemon(3, "status websocket")

	h.write("conf/websocket.conf", conf)
	l, err := net.Listen("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	h.daemon(1, "start websocket --embedded", "address already in use", "websocket did not start")
	_ = l.Close()

	if err := os.Remove(filepath.Join(h.dir, "bin", "pulsegate")); err != nil {
		t.Fatal(err)
	}
	h.env = append(h.env, "PATH=/usr/bin:/bin")
	h.daemon(1, "start websocket", "no program pulsegate")
	h.daemon(3, "status websocket")
}

// A process that does not end: stop says so, -force ends it.
func TestStopByForce(t *testing.T) {
	h := install(t, "", "PULSAR_STOP_TIMEOUT=1")
	h.daemon(0, "start websocket --embedded")
	pid := h.pid(pidFile)
	// What it is doing is told in its log, also by one that the shell has started in the background.
	if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(timeout); !strings.Contains(h.read(logFile), "goroutine "); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no goroutines in the log %q", h.read(logFile))
		}
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	h.daemon(1, "stop websocket", "Shutdown is in progress... Please wait...", "WARNNING :  websocket is not stopped completely.", "dumps are taken for analysis at "+filepath.Join(h.dir, logFile))
	h.daemon(0, "status websocket", strconv.Itoa(pid))
	h.daemon(1, "restart websocket", "is not stopped completely")
	if h.pid(pidFile) != pid {
		t.Errorf("pid %d, was %d", h.pid(pidFile), pid)
	}
	h.daemon(0, "stop websocket -force", "forcefully stopping websocket", "Successfully stopped the process")
	h.daemon(3, "status websocket")
}

// The variables that Pulsar's scripts know, from the environment and from conf/pulsar_env.sh.
func TestVariables(t *testing.T) {
	h := install(t, "")
	h.write("conf/other.conf", h.read("conf/websocket.conf")+"clusterName=other\n")
	h.write("conf/pulsar_env.sh", "PULSAR_MEM=${PULSAR_MEM:-\"-Xms2g\"}\nexport PULSAR_WEBSOCKET_CONF=conf/other.conf\n")
	h.write("conf/websocket.conf", "this is not it=\n")
	h.env = append(h.env, "PULSAR_PID_DIR="+filepath.Join(h.dir, "pids"), "PULSAR_LOG_DIR="+filepath.Join(h.dir, "elsewhere"), "PULSAR_LOG_LEVEL=debug")
	h.daemon(0, "start websocket --embedded")
	if !h.serves() || h.pid("pids/pulsar-websocket.pid") == 0 || !strings.Contains(h.read("elsewhere/pulsar-websocket-box.log"), "from=conf/other.conf") {
		t.Errorf("log %q", h.read("elsewhere/pulsar-websocket-box.log"))
	}
	h.daemon(0, "stop websocket")
	h.env = append(h.env, "PULSAR_STOP_TIMEOUT=soon")
	h.daemon(1, "stop websocket", "PULSAR_STOP_TIMEOUT=soon")
}

func TestArguments(t *testing.T) {
	h := install(t, "#!/usr/bin/env bash\necho \"$@\"\n")
	const usage = "Usage: pulsar-daemon (start|stop|restart"
	h.daemon(1, "", usage)
	h.daemon(1, "--help", usage)
	h.daemon(1, "start", "Error: no enough arguments provided.", usage)
	h.daemon(1, "start nothing", "Error: unknown service name nothing", usage)
	h.daemon(1, "begin websocket", usage)
	for _, service := range []string{"broker", "bookie", "zookeeper", "standalone", "proxy", "functions-worker"} {
		h.daemon(1, "start "+service, "Error:", "'"+service+"' needs the pulsar-daemon of Apache Pulsar")
	}
	h.script("pulsar", 1, "", "Usage: pulsar websocket")
	h.script("pulsar", 0, "help", "PULSAR_WEBSOCKET_CONF")
	h.script("pulsar", 1, "bookie", "'bookie' needs the bin/pulsar of Apache Pulsar")
	h.script("pulsar", 0, "version", "version")
	h.script("pulsar", 0, "websocket --set a=b", "serve -c "+filepath.Join(h.dir, "conf/websocket.conf")+" --set a=b")
}
