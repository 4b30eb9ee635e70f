//go:build pulsar && linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pulsegate/pulsegate/bench"
	"github.com/pulsegate/pulsegate/test/child"
	"github.com/pulsegate/pulsegate/test/port"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

// The contestants.
const (
	java     = "Java proxy"
	ours     = "pulsegate"
	floor    = "client-go"
	embedded = "pulsegate, embedded"
)

const (
	pause        = time.Second
	startTimeout = 10 * time.Minute // of the broker and the Java proxy, the download of their jars included
	readyTimeout = 30 * time.Second // of a gateway
	stopTimeout  = 30 * time.Second
)

// common is what both servers' configurations say: pings as the budgets want them,
// and room for a payload of 1 MB, which base64 makes a third longer.
var common = map[string]string{
	"webSocketPingDurationSeconds": "30",
	"webSocketMaxTextFrameSize":    "2097152",
}

// servers are all that run. What a trial does not need is not started.
type servers struct {
	binary   string
	broker   map[string]string // what its configuration has beside tidy
	cluster  *pulsar.Cluster
	proxy    *pulsar.Proxy
	gateway  *gateway
	embedded *gateway
	watch    *watch          // nil: nobody watches
	warmUp   bench.Trial     // what the Java proxy, and with it the broker, does before it is measured under load
	warm     map[string]bool // the contestants whose server has done so since its start

	unwatched error // why somebody who should have watched did not
}

// tidy makes the broker drop what nobody wants any more. All trials together write more
// than a disk may hold. Topics with subscriptions stay: to delete thousands of
// them takes time that belongs to the next trial.
var tidy = map[string]string{
	"brokerDeleteInactiveTopicsEnabled":                    "true",
	"brokerDeleteInactiveTopicsFrequencySeconds":           "15",
	"brokerDeleteInactiveTopicsMaxInactiveDurationSeconds": "15",
	"managedLedgerMinLedgerRolloverTimeMinutes":            "0",
	"managedLedgerMaxSizePerLedgerMbytes":                  "1024",
	"managedLedgerMaxEntriesPerLedger":                     "50000000",
	"journalMaxSizeMB":                                     "512",
	"journalMaxBackups":                                    "0",
	"gcWaitTime":                                           "30000",
	"minorCompactionInterval":                              "60",
	"majorCompactionInterval":                              "120",
}

// start starts a broker, whose configuration has more lines than all have.
func start(ctx context.Context, binary string, warmUp bench.Trial, broker map[string]string) (*servers, error) {
	s := &servers{binary: binary, broker: broker, warmUp: warmUp, warm: map[string]bool{}}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	conf := maps.Clone(tidy)
	maps.Copy(conf, broker)
	cluster, err := pulsar.Start(ctx, pulsar.Options{Load: true, BrokerConf: conf})
	if err != nil {
		return nil, err
	}
	s.cluster = cluster
	return s, nil
}

// javaProxy starts the Java proxy if it does not run, or anew.
func (s *servers) javaProxy(ctx context.Context, anew bool) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	switch {
	case s.proxy == nil:
		conf := maps.Clone(common)
		conf["maxHttpServerConnections"] = "30000"
		if s.proxy, err = s.cluster.StartProxy(ctx, conf); err != nil {
			return fmt.Errorf("start the Java proxy: %w", err)
		}
	case anew:
		s.proxy.Kill()
		if err := s.proxy.Start(ctx); err != nil {
			return fmt.Errorf("start the Java proxy anew: %w", err)
		}
	}
	return nil
}

// promptly is the end of the names of trials with a broker that looks for new messages at once.
const promptly = ", no check delay"

// brokerFor is what the broker's configuration has more for a trial.
func brokerFor(t bench.Trial) map[string]string {
	if strings.HasSuffix(t.Name, promptly) {
		return map[string]string{"managedLedgerNewEntriesCheckDelayInMillis": "0"}
	}
	return nil
}

// upstream are the arguments that name the broker.
func (s *servers) upstream() []string {
	return []string{"--set", "brokerServiceUrl=" + s.cluster.BrokerURL(), "--set", "serviceUrl=" + s.cluster.AdminURL(), "--set", "clusterName=" + s.cluster.ClusterName()}
}

func (s *servers) stop() {
	s.unwatch()
	for _, g := range []*gateway{s.gateway, s.embedded} {
		if g != nil {
			g.stop()
		}
	}
	if s.cluster != nil {
		_ = s.cluster.Close() // the Java proxy is one of its children
	}
}

// Which scenario a trial is, is the first word of its command.
func kind(t bench.Trial) string {
	first, _, _ := strings.Cut(t.Command, " ")
	return first
}

// spread reports whether a trial needs a server of several processes.
func spread(t bench.Trial) bool { return strings.Contains(t.Command, "--processes ") }

// contestants are those that take part in a trial: the Java proxy first, which the
// others are compared to.
func (s *servers) contestants(t bench.Trial) []bench.Contestant {
	gateway := bench.Contestant{Name: ours}
	if spread(t) {
		return []bench.Contestant{gateway} // the Java proxy cannot share its port
	}
	if isWatched(t.Name) {
		return []bench.Contestant{gateway, {Name: watched}}
	}
	all := []bench.Contestant{{Name: java}, gateway}
	switch kind(t) {
	case "publish":
		return append(all, bench.Contestant{Name: floor})
	case "e2e":
		all = append(all, bench.Contestant{Name: floor})
		if strings.Contains(t.Command, "--rate ") && brokerFor(t) == nil { // the embedded one needs no broker
			all = append(all, bench.Contestant{Name: embedded})
		}
	}
	return all
}

// processesOfServer is how many share a port where one may not have enough
// descriptors for all sessions.
const processesOfServer = 6

// prepare says where the contestant is. For what is said of memory, its server is
// started anew.
func (s *servers) prepare(ctx context.Context, t bench.Trial, c *bench.Contestant, _ int) (err error) {
	s.unwatch()
	fresh := kind(t) == "idle"
	if fresh {
		delete(s.warm, c.Name)
	}
	switch c.Name {
	case java:
		if err := s.javaProxy(ctx, fresh); err != nil {
			return err
		}
		c.URL, c.PIDs = s.proxy.URL(), []int{s.proxy.Pid()}
	case ours, watched:
		processes := 1
		if spread(t) {
			processes = processesOfServer
		}
		if fresh || s.gateway == nil || len(s.gateway.processes) != processes {
			if s.gateway != nil {
				s.gateway.stop()
			}
			if s.gateway, err = startGateway(ctx, s.binary, processes, common, s.upstream()); err != nil {
				return err
			}
		}
		s.gateway.tell(c)
	case embedded:
		if s.embedded == nil {
			if s.embedded, err = startGateway(ctx, s.binary, 1, common, []string{"--embedded"}); err != nil {
				return err
			}
		}
		s.embedded.tell(c)
	case floor:
		c.URL = s.cluster.BrokerURL()
	}
	// What is compiled already needs no warmth, but the broker does where no Java proxy has warmed it.
	if !fresh && !s.warm[c.Name] && (c.Name == java || isWatched(t.Name) && len(s.warm) == 0) {
		s.warm[c.Name] = true
		if err := s.warmTo(ctx, c); err != nil {
			return err
		}
	}
	if c.Name == watched {
		s.watch = startWatch(s.gateway.addr)
	}
	return nil
}

// warmTo puts load on a server that nobody looks at, so that a JVM has compiled what
// matters before it is measured.
func (s *servers) warmTo(ctx context.Context, c *bench.Contestant) error {
	fmt.Fprintf(os.Stderr, "== %s: warming up with %s\n", c.Name, s.warmUp.Command)
	plan, err := s.warmUp.Plan(*c)
	if err != nil {
		return err
	}
	if _, err := bench.Run(ctx, plan, nil); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	return nil
}

// gateway is a pulsegate of one or more processes on one port.
type gateway struct {
	addr      string
	processes []*process
}

type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

func startGateway(ctx context.Context, binary string, processes int, conf map[string]string, args []string) (*gateway, error) {
	ports, err := port.Free(1)
	if err != nil {
		return nil, err
	}
	g := &gateway{addr: "127.0.0.1:" + strconv.Itoa(ports[0])}
	all := append([]string{
		"serve", "--set", "bindAddress=127.0.0.1", "--set", "webServicePort=" + strconv.Itoa(ports[0]), "--set", "logLevel=error",
		"--set", "reusePort=" + strconv.FormatBool(processes > 1),
	}, args...)
	for key, value := range conf {
		all = append(all, "--set", key+"="+value)
	}
	for range processes {
		p := &process{cmd: exec.Command(binary, all...), done: make(chan struct{})}
		p.cmd.Stderr = os.Stderr
		wait, err := child.Start(p.cmd)
		if err != nil {
			g.stop()
			return nil, fmt.Errorf("start pulsegate: %w", err)
		}
		g.processes = append(g.processes, p)
		go func() {
			_ = wait() // that it ended is seen by done
			close(p.done)
		}()
	}
	if err := g.ready(ctx); err != nil {
		g.stop()
		return nil, fmt.Errorf("start pulsegate: %w", err)
	}
	return g, nil
}

// ready returns once /readyz answers 200, as often in a row as there are processes.
func (g *gateway) ready(ctx context.Context) error {
	timeout := readyTimeout + time.Duration(len(g.processes))*time.Second
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for good := 0; good < 5*len(g.processes)-4; {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.addr+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				good++
				continue
			}
		}
		good = 0
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready in %v", timeout)
		case <-g.processes[0].done:
			return errors.New("it ended")
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

func (g *gateway) tell(c *bench.Contestant) {
	c.URL = "ws://" + g.addr
	for _, p := range g.processes {
		c.PIDs = append(c.PIDs, p.cmd.Process.Pid)
	}
	if len(g.processes) == 1 { // which process answers a scrape is not known otherwise
		c.Scrape = []string{"http://" + g.addr + "/metrics"}
	}
}

func (g *gateway) stop() {
	for _, p := range g.processes {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout) // of all together
	defer cancel()
	for _, p := range g.processes {
		select {
		case <-p.done:
		case <-ctx.Done():
			_ = p.cmd.Process.Kill()
			<-p.done
		}
	}
	g.processes = nil
}
