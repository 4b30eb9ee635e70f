package pulsar

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pulsegate/pulsegate/test/child"
)

// jvm is one running Java process of ours. It is made by launch and ends by stop or kill; done is closed, and err set,
// once it has ended for whatever reason.
type jvm struct {
	name string // for messages: "broker", "proxy", "zookeeper"
	cmd  *exec.Cmd
	log  string // the file that holds what it printed
	done chan struct{}
	err  error
}

// launchSpec says what to run.
type launchSpec struct {
	name  string
	dir   string   // where its log goes
	level string   // log4j level
	env   []string // added to the environment, as key=value
	heap  []string // JVM flags that bound its memory
	main  []string // main class and its arguments
}

// quickStart is a JVM flag: only the quick one of its two compilers. It nearly halves the processor time that a broker takes to
// start, which is most of what a test costs; at full load the broker is slower for it.
const quickStart = "-XX:TieredStopAtLevel=1"

// openPackages are the packages inside the JDK that Pulsar, BookKeeper and Netty reach into by reflection.
var openPackages = []string{
	"java.base/java.nio", "java.base/java.util.zip", "java.base/jdk.internal.loader", "java.base/jdk.internal.platform",
	"java.base/sun.net", "java.management/sun.management", "jdk.management/com.sun.management.internal",
}

const log4jConfig = `<Configuration status="WARN">
  <Appenders>
    <Console name="out"><PatternLayout pattern="%%d{HH:mm:ss.SSS} %%-5p [%%t] %%c{1} - %%m%%n"/></Console>
  </Appenders>
  <Loggers>
    <Root level="%s"><AppenderRef ref="out"/></Root>
  </Loggers>
</Configuration>
`

// launch starts a JVM that dies with this process, however that one ends. It does not wait for it to be ready. A log
// of an earlier run under the same name is kept and appended to.
func launch(ctx context.Context, spec launchSpec) (*jvm, error) {
	java, err := findJava(ctx)
	if err != nil {
		return nil, err
	}
	lib, err := Fetch(ctx)
	if err != nil {
		return nil, err
	}
	logConfig := filepath.Join(spec.dir, spec.name+"-log4j2.xml")
	if err := os.WriteFile(logConfig, fmt.Appendf(nil, log4jConfig, spec.level), 0o644); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.name, err)
	}
	logFile, err := os.OpenFile(filepath.Join(spec.dir, spec.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.name, err)
	}
	defer logFile.Close() // the child has its own copy

	args := append([]string{}, spec.heap...)
	for _, p := range openPackages {
		args = append(args, "--add-opens", p+"=ALL-UNNAMED")
	}
	args = append(args, "-XX:+ExitOnOutOfMemoryError", "-Dio.netty.tryReflectionSetAccessible=true",
		"-Dlog4j.configurationFile="+logConfig, "-cp", filepath.Join(lib, "*"))
	args = append(args, spec.main...)
	cmd := exec.Command(java, args...)
	cmd.Dir = spec.dir
	cmd.Env = append(os.Environ(), spec.env...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	wait, err := child.Start(cmd)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.name, err)
	}
	j := &jvm{name: spec.name, cmd: cmd, log: logFile.Name(), done: make(chan struct{})}
	go func() {
		j.err = wait()
		close(j.done)
	}()
	return j, nil
}

// readyTimeout bounds the start of one JVM. On an idle machine a broker takes five seconds.
const readyTimeout = 3 * time.Minute

// await blocks until ready returns nil. It gives up, killing the JVM, when that ends by itself, when ctx does, or after
// readyTimeout; the error then carries the end of the log.
func (j *jvm) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		if last = ready(ctx); last == nil {
			return nil
		}
		select {
		case <-j.done:
			return fmt.Errorf("%s ended while starting (%v); its log %s ends with:\n%s", j.name, j.err, j.log, tail(j.log))
		case <-ctx.Done():
			j.kill()
			return fmt.Errorf("%s is not ready: %w (last: %v); its log %s ends with:\n%s", j.name, ctx.Err(), last, j.log, tail(j.log))
		case <-tick.C:
		}
	}
}

// stop asks the JVM to end and waits until it has. When ctx ends first it is killed, which is reported.
func (j *jvm) stop(ctx context.Context) error {
	if err := j.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", j.name, err)
	}
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		j.kill()
		return fmt.Errorf("stop %s: killed: %w", j.name, ctx.Err())
	}
}

// kill ends the JVM as kill -9 does and returns once it is gone.
func (j *jvm) kill() {
	_ = j.cmd.Process.Kill() // fails only when it has ended already
	<-j.done
}

// answers200 returns a check for await: an HTTP GET of url gets status 200, or, unless a token is given to show, 401, which
// is what a server gives that is up but asks for credentials.
func answers200(url, token string) func(context.Context) error {
	client := &http.Client{Timeout: 10 * time.Second}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK && (resp.StatusCode != http.StatusUnauthorized || token != "") {
			return fmt.Errorf("GET %s: %s", url, resp.Status)
		}
		return nil
	}
}
