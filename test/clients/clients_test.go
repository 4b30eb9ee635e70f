//go:build pulsar

// Package clients runs the programs in examples as their users do, each as a process of its own, against a real Pulsar.
package clients

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/test/child"
	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

func TestMain(m *testing.M) { pulsar.Main(m) }

// examples is where the programs are, seen from this package.
const examples = "../../examples"

// timeout bounds everything a test waits for. What it waits for takes milliseconds, except on a machine that is very busy.
const timeout = 3 * time.Minute

// server starts the server under test, with the namespaces that the programs name.
func server(t *testing.T) (*pulsar.Cluster, string) {
	t.Helper()
	c := pulsar.Shared(t)
	// The programs of the year 2016 name clusters: standalone, which the broker is, and us-west, which has to be
	// known and to point at the broker.
	if err := c.Admin.CreateCluster(t.Context(), "us-west", c.BrokerURL()); err != nil {
		t.Fatal(err)
	}
	for _, namespace := range []string{"sample/standalone/ns1", "my-property/us-west/my-ns"} {
		property, _, _ := strings.Cut(namespace, "/")
		namespace = brokerName(c, namespace)
		if err := c.Admin.CreateTenant(t.Context(), property, c.ClusterName(), "us-west"); err != nil {
			t.Fatal(err)
		}
		if err := c.Admin.CreateNamespace(t.Context(), namespace); err != nil {
			t.Fatal(err)
		}
	}
	return c, gateway.Target(t, c, v1Names(c)).URL()
}

// v1Names is the configuration of a gateway for the names that the programs use.
func v1Names(c *pulsar.Cluster) map[string]string {
	if c.HasV1Names() {
		return nil
	}
	return map[string]string{"v1TopicNames": "property/namespace/topic"}
}

// brokerName is what the broker calls a namespace, or a topic, of the old form.
func brokerName(c *pulsar.Cluster, old string) string {
	if c.HasV1Names() {
		return old
	}
	return strings.NewReplacer("/standalone/", "/", "/us-west/", "/").Replace(old)
}

// addresses are where the programs find the cluster that [server] has started: at url, and at a gateway that is the
// broker's own WebSocket service, which serves the rest of what the broker has, too.
func addresses(t *testing.T, c *pulsar.Cluster, url string) map[string]string {
	t.Helper()
	if c.Conf() == "" {
		t.Logf("%s: the broker's file is elsewhere, so nothing runs with it", pulsar.EnvCluster)
		return map[string]string{"websocket.conf": url}
	}
	return map[string]string{"websocket.conf": url, "broker.conf": gateway.Start(t, gateway.Options{BrokerConf: c.Conf(), Conf: v1Names(c)}).URL()}
}

// program is a running example. Its lines can be waited for in the order in which it prints them.
type program struct {
	t     *testing.T
	name  string
	lines chan string
	done  chan struct{}

	mu  sync.Mutex
	all []string
}

// start runs a program until the test ends.
func start(t *testing.T, name string, args ...string) *program {
	t.Helper()
	cmd := exec.Command(name, args...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	cmd.Dir = t.TempDir()
	wait, err := child.Start(cmd)
	w.Close()
	if err != nil {
		r.Close()
		t.Fatal(err)
	}
	p := &program{t: t, name: filepath.Base(args[0]), lines: make(chan string, 1000), done: make(chan struct{})}
	go p.read(r)
	go func() {
		_ = wait() // killed below, or ended: expect sees that its lines end
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			p.mu.Lock()
			defer p.mu.Unlock()
			t.Logf("%s printed:\n%s", p.name, strings.Join(p.all, "\n"))
		}
	})
	return p
}

func (p *program) read(r *os.File) {
	defer close(p.lines)
	defer r.Close()
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		p.mu.Lock()
		p.all = append(p.all, scanner.Text())
		p.mu.Unlock()
		p.lines <- scanner.Text()
	}
}

// expect waits for a line that holds all the texts.
func (p *program) expect(texts ...string) {
	p.t.Helper()
	deadline := time.After(timeout)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("%s ended before it printed %q", p.name, texts)
			}
			if holdsAll(line, texts) {
				return
			}
		case <-deadline:
			p.t.Fatalf("%s did not print %q", p.name, texts)
		}
	}
}

// printed returns the lines so far that hold a text.
func (p *program) printed(text string) (lines []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.all {
		if strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	return lines
}

func holdsAll(line string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(line, text) {
			return false
		}
	}
	return true
}

// run runs a program to its end, which has to be a good one, and returns what it printed.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// consume starts a program that consumes, and returns once its subscription has a consumer: only then does a message published next
// reach it. Where another program has had the subscription, it starts when that one's consumer is gone: there is room for one.
func consume(t *testing.T, c *pulsar.Cluster, topic, subscription, name string, args ...string) *program {
	t.Helper()
	awaitStats(t, c, topic, subscription, "no consumer", func(s pulsar.SubscriptionStats, _ bool) bool { return len(s.Consumers) == 0 })
	p := start(t, name, args...)
	awaitStats(t, c, topic, subscription, "a consumer", func(s pulsar.SubscriptionStats, _ bool) bool { return len(s.Consumers) > 0 })
	return p
}

// awaitAcknowledged returns once a subscription has no backlog.
func awaitAcknowledged(t *testing.T, c *pulsar.Cluster, topic, subscription string) {
	t.Helper()
	awaitStats(t, c, topic, subscription, "no backlog", func(s pulsar.SubscriptionStats, there bool) bool { return there && s.MsgBacklog == 0 })
}

func awaitStats(t *testing.T, c *pulsar.Cluster, topic, subscription, what string, ok func(s pulsar.SubscriptionStats, there bool) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		stats, err := c.Admin.Stats(ctx, brokerName(c, topic))
		var status *pulsar.StatusError
		if err == nil || errors.As(err, &status) && status.Code == http.StatusNotFound {
			if s, there := stats.Subscriptions[subscription]; ok(s, there) {
				return
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("subscription %s of %s does not come to have %s: %v, %+v", subscription, topic, what, err, stats)
		case <-tick.C:
		}
	}
}

// absolute is the path of an example, wherever it is run.
func absolute(t *testing.T, parts ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{examples}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}
