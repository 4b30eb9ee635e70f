package pulsar

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// EnvCluster names the environment variable that makes Shared use a cluster that runs already, which saves its start
// while one works on a test. devpulsar prints its value. Such a cluster cannot be restarted by a test.
const EnvCluster = "PULSEGATE_TEST_PULSAR"

// external is the value of EnvCluster, as JSON.
type external struct {
	Broker  string `json:"broker"`
	Admin   string `json:"admin"`
	Cluster string `json:"cluster"`
}

// startTimeout bounds the start of the shared cluster, the download of its jars included.
const startTimeout = 10 * time.Minute

// shared is the cluster of this test binary.
var shared struct {
	sync.Mutex
	cluster *Cluster
	err     error // of the first start, which is not tried again
}

// Shared returns the cluster that all tests of this binary use, and starts it for the first of them. Tests keep apart by
// using namespaces and topics of their own; see Cluster.Namespace. TestMain has to be Main for it to end in good
// order; it dies with the test binary in any case.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster == nil && shared.err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		shared.cluster, shared.err = startShared(ctx)
	}
	if shared.err != nil {
		t.Fatalf("start the shared Pulsar: %v", shared.err)
	}
	return shared.cluster
}

func startShared(ctx context.Context) (*Cluster, error) {
	value := os.Getenv(EnvCluster)
	if value == "" {
		return Start(ctx, Options{})
	}
	return parseExternal(value)
}

// parseExternal reads the value of EnvCluster.
func parseExternal(value string) (*Cluster, error) {
	var x external
	if err := json.Unmarshal([]byte(value), &x); err != nil {
		return nil, fmt.Errorf("%s: %w", EnvCluster, err)
	}
	if x.Broker == "" || x.Admin == "" || x.Cluster == "" {
		return nil, fmt.Errorf("%s: broker, admin and cluster have to be given: %s", EnvCluster, value)
	}
	return &Cluster{name: x.Cluster, brokerURL: x.Broker, adminURL: x.Admin, Admin: &Admin{URL: x.Admin}}, nil
}

// Env is the value of EnvCluster that makes another test binary use this cluster.
func (c *Cluster) Env() string {
	value, _ := json.Marshal(external{c.brokerURL, c.adminURL, c.name}) // three strings: no error is possible
	return string(value)
}

// Main runs a binary's tests and ends the shared cluster after them, also when it is told to end by a signal. A TestMain
// calls it and nothing else.
func Main(m *testing.M) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		closeShared()
		os.Exit(1)
	}()
	code := m.Run()
	closeShared()
	os.Exit(code)
}

// closeShared ends the shared cluster if there is one. A start that is under way is not waited for: a signal must work
// then too, and the JVM dies with this process.
func closeShared() {
	if !shared.TryLock() {
		return
	}
	defer shared.Unlock()
	if shared.cluster == nil {
		return
	}
	if err := shared.cluster.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "end the shared Pulsar:", err)
	}
	shared.cluster = nil
}

var names atomic.Int64

// Name returns a name that no other call returned, in this process or another: for topics, subscriptions and tenants.
func Name(prefix string) string {
	return fmt.Sprintf("%s-%d-%d-%d", prefix, time.Now().UnixMilli(), os.Getpid(), names.Add(1))
}

// Namespace makes a namespace of tenant public for one test and returns its name, such as public/name-1.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	namespace := "public/" + Name("ns")
	if err := c.Admin.CreateNamespace(t.Context(), namespace); err != nil {
		t.Fatalf("make a namespace: %v", err)
	}
	return namespace
}

// NamespaceV1 makes a property and in it a namespace for one test and returns its old name, such as
// name-1/standalone/ns1.
func (c *Cluster) NamespaceV1(t testing.TB) string {
	t.Helper()
	property := Name("property")
	namespace := strings.Join([]string{property, c.name, "ns1"}, "/")
	if err := c.Admin.CreateTenant(t.Context(), property, c.name); err != nil {
		t.Fatalf("make a property: %v", err)
	}
	if err := c.Admin.CreateNamespace(t.Context(), namespace); err != nil {
		t.Fatalf("make a v1 namespace: %v", err)
	}
	return namespace
}
