package pulsar

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pulsegate/pulsegate/test/port"
)

// Pair is a Pulsar of two brokers that share a ZooKeeper and a bookie, which are one JVM. Topics are spread over both and move from one
// to the other. Its methods may be called from one goroutine at a time.
type Pair struct {
	Brokers [2]*Broker

	dir   string
	store *jvm // ZooKeeper and the bookie
}

// Broker is one of a Pair.
type Broker struct {
	// Admin speaks to its admin API.
	Admin *Admin
	// URL is where it serves the binary protocol, such as pulsar://127.0.0.1:21000.
	URL string

	id, conf string // the name that brokers have for it, and the path of its configuration
	pair     *Pair
	jvm      *jvm // nil while it does not run
}

// pairCluster is the name of a Pair's cluster.
const pairCluster = "pair"

// StartPair brings up two brokers and returns once each serves. conf holds further lines of both brokers' configuration, which
// win over this package's own. Nothing moves a topic but the test. ctx bounds the start only. An error carries the end of a log.
func StartPair(ctx context.Context, conf map[string]string) (*Pair, error) {
	dir, err := tempDir()
	if err != nil {
		return nil, fmt.Errorf("start a pair of brokers: %w", err)
	}
	p := &Pair{dir: dir}
	if err := p.start(ctx, conf); err != nil {
		_ = p.Close() // the error that matters is the other one
		return nil, err
	}
	return p, nil
}

func (p *Pair) start(ctx context.Context, conf map[string]string) error {
	ports, err := port.Free(6)
	if err != nil {
		return fmt.Errorf("start a pair of brokers: %w", err)
	}
	zk := "127.0.0.1:" + strconv.Itoa(ports[0])
	if err := p.startStore(ctx, ports[0], ports[1]); err != nil {
		return err
	}
	for i := range p.Brokers {
		service, web := ports[2+2*i], ports[3+2*i]
		id := "127.0.0.1:" + strconv.Itoa(web)
		b := &Broker{
			Admin: &Admin{URL: "http://" + id}, URL: "pulsar://127.0.0.1:" + strconv.Itoa(service),
			id: id, conf: filepath.Join(p.dir, fmt.Sprintf("broker%d.conf", i)), pair: p,
		}
		lines := map[string]string{
			"clusterName":                   pairCluster,
			"metadataStoreUrl":              "zk:" + zk,
			"configurationMetadataStoreUrl": "zk:" + zk,
			"brokerServicePort":             strconv.Itoa(service),
			"webServicePort":                strconv.Itoa(web),
			"bindAddress":                   "127.0.0.1",
			"advertisedAddress":             "127.0.0.1",
			// A broker that is killed is missed after this; ZooKeeper allows no less.
			"metadataStoreSessionTimeoutMillis": "6000",
			// One bookie holds everything.
			"managedLedgerDefaultEnsembleSize": "1",
			"managedLedgerDefaultWriteQuorum":  "1",
			"managedLedgerDefaultAckQuorum":    "1",
			// What moves is moved by the test.
			"loadBalancerSheddingEnabled":               "false",
			"loadBalancerAutoBundleSplitEnabled":        "false",
			"loadBalancerAutoUnloadSplitBundlesEnabled": "false",
			"brokerDeleteInactiveTopicsEnabled":         "false",
			"acknowledgmentAtBatchIndexLevelEnabled":    "true",
			"webSocketServiceEnabled":                   "false",
		}
		maps.Copy(lines, conf)
		if err := writeConf(b.conf, lines); err != nil {
			return fmt.Errorf("start a pair of brokers: %w", err)
		}
		p.Brokers[i] = b
	}
	// One after the other: the first that a store sees makes Pulsar's own tenant, and of two that do so at once one gives up.
	for _, b := range p.Brokers {
		if err := b.launch(ctx); err != nil {
			return err
		}
		if err := b.jvm.await(ctx, answers200(b.Admin.URL+"/admin/v2/brokers/ready", "")); err != nil {
			return err
		}
	}
	return p.prepare(ctx)
}

// startStore starts ZooKeeper and the bookie.
func (p *Pair) startStore(ctx context.Context, zkPort, bkPort int) error {
	conf := filepath.Join(p.dir, "store.conf")
	err := writeConf(conf, map[string]string{
		"clusterName": pairCluster, "bindAddress": "127.0.0.1", "advertisedAddress": "127.0.0.1",
		"journalSyncData": "false", "journalMaxGroupWaitMSec": "1", // the tests kill processes, not the machine
		"diskUsageThreshold": "0.99", "diskUsageWarnThreshold": "0.99",
		"allowLoopback": "true", // of the bookie; Pulsar from 5.0 on has to be told
	})
	if err != nil {
		return fmt.Errorf("start a pair of brokers: %w", err)
	}
	p.store, err = launch(ctx, launchSpec{
		name: "store", dir: p.dir, level: logLevel(""), env: []string{"PULSAR_STANDALONE_USE_ZOOKEEPER=1"},
		heap: []string{"-Xms64m", "-Xmx256m", "-XX:MaxDirectMemorySize=256m", "-XX:+UseSerialGC", quickStart},
		main: []string{
			"org.apache.pulsar.PulsarStandaloneStarter", "--config", conf, "--no-broker", "--no-functions-worker", "--no-stream-storage",
			"--bookkeeper-dir", filepath.Join(p.dir, "bookkeeper"), "--zookeeper-dir", filepath.Join(p.dir, "zookeeper"),
			"--zookeeper-port", strconv.Itoa(zkPort), "--bookkeeper-port", strconv.Itoa(bkPort),
		},
	})
	if err != nil {
		return err
	}
	z := &ZooKeeper{addr: "127.0.0.1:" + strconv.Itoa(zkPort)}
	return p.store.await(ctx, z.hasBookie)
}

// prepare makes what a cluster's set-up makes, and returns when both brokers serve.
func (p *Pair) prepare(ctx context.Context) error {
	first := p.Brokers[0]
	err := first.Admin.CreateCluster(ctx, pairCluster, p.Brokers[0].URL)
	if err == nil {
		err = first.Admin.CreateTenant(ctx, "public", pairCluster)
	}
	if err == nil {
		err = first.Admin.CreateNamespace(ctx, "public/default")
	}
	if err != nil {
		return fmt.Errorf("start a pair of brokers: %w", err)
	}
	for _, b := range p.Brokers {
		if err := b.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ServiceURL names both brokers.
func (p *Pair) ServiceURL() string {
	return p.Brokers[0].URL + "," + strings.TrimPrefix(p.Brokers[1].URL, "pulsar://")
}

// Close ends all and removes the data.
func (p *Pair) Close() error {
	for _, b := range p.Brokers {
		if b != nil {
			b.Kill()
		}
	}
	if p.store != nil {
		p.store.kill()
	}
	return os.RemoveAll(p.dir)
}

// launch starts the broker's JVM.
func (b *Broker) launch(ctx context.Context) (err error) {
	b.jvm, err = launch(ctx, launchSpec{
		name: strings.TrimSuffix(filepath.Base(b.conf), ".conf"), dir: b.pair.dir, level: logLevel(""),
		heap: []string{"-Xms96m", "-Xmx384m", "-XX:MaxDirectMemorySize=256m", "-XX:+UseSerialGC", quickStart},
		main: []string{"org.apache.pulsar.PulsarBrokerStarter", "-c", b.conf},
	})
	return err
}

// await returns once the broker has produced and consumed a message.
func (b *Broker) await(ctx context.Context) error {
	return b.jvm.await(ctx, answers200(b.Admin.URL+"/admin/v2/brokers/health", ""))
}

// Kill ends the broker as kill -9 does and returns once it is gone.
func (b *Broker) Kill() {
	if b.jvm != nil {
		b.jvm.kill()
		b.jvm = nil
	}
}

// Log is the end of what the broker printed.
func (b *Broker) Log() string { return tail(strings.TrimSuffix(b.conf, ".conf") + ".log") }

// Owner is the broker that serves a topic, by the word of one that runs.
func (p *Pair) Owner(ctx context.Context, topic string) (*Broker, error) {
	var answer struct{ BrokerURL string }
	err := p.running().Admin.Do(ctx, http.MethodGet, "/lookup/v2/topic/"+strings.Replace(topic, "://", "/", 1), nil, &answer)
	if err != nil {
		return nil, err
	}
	for _, b := range p.Brokers {
		if b.URL == answer.BrokerURL {
			return b, nil
		}
	}
	return nil, fmt.Errorf("%s is served by %q, which is none of the pair", topic, answer.BrokerURL)
}

// Other is the broker that is not b.
func (p *Pair) Other(b *Broker) *Broker { return p.Brokers[1-slices.Index(p.Brokers[:], b)] }

func (p *Pair) running() *Broker {
	if p.Brokers[0].jvm != nil {
		return p.Brokers[0]
	}
	return p.Brokers[1]
}

// Move unloads the bundle of topics that a topic lies in, to be served by another broker.
func (p *Pair) Move(ctx context.Context, topic string, to *Broker) error {
	bundle, err := p.bundle(ctx, topic)
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(topic, "://")
	path := "/admin/v2/namespaces/" + rest[:strings.LastIndex(rest, "/")] + "/" + bundle + "/unload?destinationBroker=" + to.id
	return p.running().Admin.Do(ctx, http.MethodPut, path, nil, nil)
}

// bundle names the bundle that a topic lies in. The answer is no JSON.
func (p *Pair) bundle(ctx context.Context, topic string) (string, error) {
	path := "/lookup/v2/topic/" + strings.Replace(topic, "://", "/", 1) + "/bundle"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.running().Admin.URL+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := adminClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("find a topic's bundle: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("find a topic's bundle: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", &StatusError{Method: req.Method, Path: path, Code: resp.StatusCode, Reason: string(text)}
	}
	return string(text), nil
}

// hasBookie checks that a bookie is there.
func (z *ZooKeeper) hasBookie(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := z.session(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	list, _, err := conn.Children("/ledgers/available")
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(name string) bool { return name != "readonly" }) {
		return fmt.Errorf("no bookie: %v", list)
	}
	return nil
}
