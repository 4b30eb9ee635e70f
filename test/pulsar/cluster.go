// Package pulsar runs a real Apache Pulsar for tests: a standalone broker with BookKeeper and its metadata inside one
// JVM, the Java WebSocket proxy, and a ZooKeeper. Everything listens on free ports, keeps its data in a temporary directory
// and dies with the process that started it.
//
// It needs Java 17, for Pulsar from 5.0 on Java 21, and, the first time, Maven and the network; the errors name what to
// install. Tests that use it carry the build tag pulsar, so that the others run without Java.
package pulsar

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pulsegate/pulsegate/test/port"
)

// ErrExternal is the answer of a method that would start or stop a broker that this process did not start.
var ErrExternal = errors.New("the cluster runs outside of this process")

// Options of a Cluster. The zero value is a good one.
type Options struct {
	// BrokerConf holds further lines of the broker's configuration. They win over this package's own.
	BrokerConf map[string]string
	// Token is what the cluster's own requests show, when BrokerConf demands authentication.
	Token string
	// ZooKeeper keeps the broker's metadata in a ZooKeeper server inside its JVM, where others can read it: the Java
	// WebSocket proxy needs that for its authorization. Else they are in the broker's own files.
	ZooKeeper bool
	// Load makes the broker one that is fast rather than quick to start: for measurements.
	Load bool
	// LogLevel of the JVMs, as log4j calls them. Default: warn.
	LogLevel string
}

// Cluster is a Pulsar of one broker. Its methods that start and stop the broker may be called from one goroutine at a time;
// the others from any.
type Cluster struct {
	// Admin speaks to the broker's admin API.
	Admin *Admin

	name      string
	brokerURL string
	adminURL  string

	// The rest is unset when the broker runs outside of this process.
	dir      string
	level    string
	zkPort   int      // of the metadata; 0: they are in files
	bkPort   int      // of the bookie, with zkPort only
	heap     []string // JVM flags of the broker
	conf     string   // path of the broker's configuration
	broker   *jvm     // nil while it is stopped
	children []closer
}

// closer is something started for a cluster that ends with it.
type closer interface{ Stop() error }

// Time limits for what a JVM does once it is asked to end. A broker takes one or two seconds; what does not end in
// stopTimeout hangs.
const stopTimeout = 30 * time.Second

// Start brings up a broker and returns once a client can produce and consume. ctx bounds the start only. An error carries
// the end of the broker's log.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	dir, err := tempDir()
	if err != nil {
		return nil, fmt.Errorf("start a Pulsar cluster: %w", err)
	}
	ports, err := port.Free(4)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("start a Pulsar cluster: %w", err)
	}
	c := &Cluster{
		name:      "standalone",
		brokerURL: fmt.Sprintf("pulsar://127.0.0.1:%d", ports[0]),
		adminURL:  fmt.Sprintf("http://127.0.0.1:%d", ports[1]),
		dir:       dir,
		level:     logLevel(o.LogLevel),
		heap:      brokerHeap(o.Load),
		conf:      filepath.Join(dir, "broker.conf"),
	}
	c.Admin = &Admin{URL: c.adminURL, Token: o.Token}
	if o.ZooKeeper || !c.AtLeast(2, 11) { // older ones keep their metadata nowhere else
		c.zkPort, c.bkPort = ports[2], ports[3]
	}
	conf := map[string]string{
		"clusterName":          c.name,
		"brokerServicePort":    strconv.Itoa(ports[0]),
		"webServicePort":       strconv.Itoa(ports[1]),
		"bindAddress":          "127.0.0.1",
		"advertisedAddress":    "127.0.0.1",
		"loadManagerClassName": "org.apache.pulsar.broker.loadbalance.NoopLoadManager",
		// Brokers up to 3.0 want to know it where the kernel does not tell.
		"loadBalancerOverrideBrokerNicSpeedGbps": "1",
		// One bookie holds everything.
		"managedLedgerDefaultEnsembleSize": "1",
		"managedLedgerDefaultWriteQuorum":  "1",
		"managedLedgerDefaultAckQuorum":    "1",
		// It listens on 127.0.0.1, which Pulsar from 5.0 on has to be told to allow.
		"allowLoopback": "true",
		// Written is enough: the tests kill processes, not the machine.
		"journalSyncData":         "false",
		"journalMaxGroupWaitMSec": "1",
		// A test's topic stays while no one is connected, and a full disk is no matter of ours.
		"brokerDeleteInactiveTopicsEnabled": "false",
		"diskUsageThreshold":                "0.99",
		"diskUsageWarnThreshold":            "0.99",
		"webSocketServiceEnabled":           "true",
		// Clients that acknowledge a batch's messages one by one, as Pulsar's own may, are served.
		"acknowledgmentAtBatchIndexLevelEnabled": "true",
	}
	if !c.AtLeast(2, 11) { // newer ones have them on
		conf["systemTopicEnabled"], conf["topicLevelPoliciesEnabled"] = "true", "true"
	}
	maps.Copy(conf, o.BrokerConf)
	if err := writeConf(c.conf, conf); err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("start a Pulsar cluster: %w", err)
	}
	if err := c.StartBroker(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// BrokerURL is where Pulsar's binary protocol is served, such as pulsar://127.0.0.1:21000. It stays the same when the
// broker is restarted.
func (c *Cluster) BrokerURL() string { return c.brokerURL }

// AdminURL is where the admin API and the HTTP lookup are served, such as http://127.0.0.1:21001. It stays the same when
// the broker is restarted.
func (c *Cluster) AdminURL() string { return c.adminURL }

// MetadataStore is where others can read the broker's metadata, such as zk:127.0.0.1:21003. It needs Options.ZooKeeper.
func (c *Cluster) MetadataStore() string { return "zk:127.0.0.1:" + strconv.Itoa(c.zkPort) }

// Conf is the path of the broker's configuration file, "" for a broker outside of this process.
func (c *Cluster) Conf() string { return c.conf }

// ClusterName is the name the cluster gives itself.
func (c *Cluster) ClusterName() string { return c.name }

// BrokerLog is the end of what the broker printed, for a failing test to show.
func (c *Cluster) BrokerLog() string { return tail(filepath.Join(c.dir, "broker.log")) }

// brokerHeap are the JVM's flags.
func brokerHeap(load bool) []string {
	if load {
		return []string{"-Xms1g", "-Xmx2g", "-XX:MaxDirectMemorySize=2g"}
	}
	return []string{"-Xms128m", "-Xmx1g", "-XX:MaxDirectMemorySize=512m", "-XX:+UseSerialGC", quickStart}
}

// StartBroker starts the broker that StopBroker or KillBroker ended, on the same ports and data, and returns once a client
// can produce and consume.
func (c *Cluster) StartBroker(ctx context.Context) error {
	if c.dir == "" {
		return fmt.Errorf("start the broker: %w", ErrExternal)
	}
	if c.broker != nil {
		return errors.New("start the broker: it runs")
	}
	data := filepath.Join(c.dir, "data")
	metadata := []string{"--metadata-dir", filepath.Join(data, "metadata")}
	var env []string
	if c.zkPort != 0 {
		metadata = []string{"--zookeeper-port", strconv.Itoa(c.zkPort), "--bookkeeper-port", strconv.Itoa(c.bkPort)}
		env = []string{"PULSAR_STANDALONE_USE_ZOOKEEPER=1"}
	}
	j, err := launch(ctx, launchSpec{
		name: "broker", dir: c.dir, level: c.level, env: env,
		heap: c.heap,
		main: append([]string{
			"org.apache.pulsar.PulsarStandaloneStarter", "--config", c.conf,
			"--no-functions-worker", "--no-stream-storage",
			"--bookkeeper-dir", filepath.Join(data, "bookkeeper"),
			"--zookeeper-dir", filepath.Join(data, "zookeeper"),
		}, metadata...),
	})
	if err != nil {
		return err
	}
	c.broker = j
	// The health check produces and consumes a message. The namespace public/default is made after that can succeed.
	healthy := answers200(c.adminURL+"/admin/v2/brokers/health", c.Admin.Token)
	made := answers200(c.adminURL+"/admin/v2/namespaces/public/default", c.Admin.Token)
	err = j.await(ctx, func(ctx context.Context) error {
		if err := made(ctx); err != nil {
			return err
		}
		return healthy(ctx)
	})
	if err != nil {
		c.broker = nil
	}
	return err
}

// StopBroker ends the broker as an operator does and returns once it is gone. When ctx ends first, it is killed and an
// error returned.
func (c *Cluster) StopBroker(ctx context.Context) error {
	if c.dir == "" {
		return fmt.Errorf("stop the broker: %w", ErrExternal)
	}
	if c.broker == nil {
		return nil
	}
	j := c.broker
	c.broker = nil
	return j.stop(ctx)
}

// KillBroker ends the broker as kill -9 does and returns once it is gone.
func (c *Cluster) KillBroker() error {
	if c.dir == "" {
		return fmt.Errorf("kill the broker: %w", ErrExternal)
	}
	if c.broker != nil {
		c.broker.kill()
		c.broker = nil
	}
	return nil
}

// BrokerPid is the broker's process number, for reading what it uses. 0: it does not run, or outside of this process.
func (c *Cluster) BrokerPid() int {
	if c.broker == nil {
		return 0
	}
	return c.broker.cmd.Process.Pid
}

// PauseBroker makes the broker hang: its connections stay, and nothing is answered until ResumeBroker.
func (c *Cluster) PauseBroker() error { return c.signal("pause", syscall.SIGSTOP) }

// ResumeBroker lets a broker go on that PauseBroker made hang. It does nothing to one that does not hang.
func (c *Cluster) ResumeBroker() error { return c.signal("resume", syscall.SIGCONT) }

func (c *Cluster) signal(what string, sig syscall.Signal) error {
	if c.dir == "" {
		return fmt.Errorf("%s the broker: %w", what, ErrExternal)
	}
	if c.broker == nil {
		return fmt.Errorf("%s the broker: it does not run", what)
	}
	if err := c.broker.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("%s the broker: %w", what, err)
	}
	return nil
}

// Restart stops the broker and starts it again on the same ports and data.
func (c *Cluster) Restart(ctx context.Context) error {
	if err := c.StopBroker(ctx); err != nil {
		return err
	}
	return c.StartBroker(ctx)
}

// Close ends everything that was started for the cluster and removes its data. Of a cluster outside of this process it
// ends only what this process added.
func (c *Cluster) Close() error {
	var errs []error
	for _, child := range slices.Backward(c.children) {
		errs = append(errs, child.Stop())
	}
	c.children = nil
	if c.broker != nil {
		c.broker.kill() // its data goes next, so there is nothing to put in order
		c.broker = nil
	}
	if c.dir != "" {
		errs = append(errs, os.RemoveAll(c.dir))
	}
	return errors.Join(errs...)
}

// workDir is where a process started beside the broker keeps its files.
func (c *Cluster) workDir() (string, error) {
	if c.dir != "" {
		return os.MkdirTemp(c.dir, "extra-")
	}
	return tempDir()
}

// writeConf writes a Java properties file. The values must not need escaping: none of Pulsar's does.
func writeConf(path string, conf map[string]string) error {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(conf)) {
		fmt.Fprintf(&b, "%s=%s\n", key, conf[key])
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

func logLevel(level string) string {
	if level == "" {
		return "warn"
	}
	return level
}
