package pulsar

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
	"github.com/pulsegate/pulsegate/test/port"
)

// Proxy is a running Java WebSocket proxy, the one that comes with Pulsar.
type Proxy struct {
	jvm   *jvm
	level string
	conf  string // path of its configuration
	addr  string
	dir   string
}

// StartProxy starts the Java WebSocket proxy in front of the broker and returns once it answers. conf holds further
// lines of its websocket.conf, which win over this package's own; one with an empty value takes a line out. It ends with
// Stop or with the cluster.
func (c *Cluster) StartProxy(ctx context.Context, conf map[string]string) (*Proxy, error) {
	ports, err := port.Free(1)
	if err != nil {
		return nil, fmt.Errorf("start the proxy: %w", err)
	}
	dir, err := c.workDir()
	if err != nil {
		return nil, fmt.Errorf("start the proxy: %w", err)
	}
	lines := map[string]string{
		"clusterName":              c.name,
		"serviceUrl":               c.adminURL,
		"brokerServiceUrl":         c.brokerURL,
		"bindAddress":              "127.0.0.1",
		"webServicePort":           strconv.Itoa(ports[0]),
		"maxHttpServerConnections": "100000",
	}
	maps.Copy(lines, conf)
	maps.DeleteFunc(lines, func(_, value string) bool { return value == "" })
	path := filepath.Join(dir, "websocket.conf")
	if err := writeConf(path, lines); err != nil {
		return nil, fmt.Errorf("start the proxy: %w", err)
	}
	p := &Proxy{level: logLevel(c.level), conf: path, addr: "127.0.0.1:" + lines["webServicePort"], dir: dir}
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	c.children = append(c.children, p)
	return p, nil
}

// Start starts the proxy again, after Kill, at the same address and with the same configuration.
func (p *Proxy) Start(ctx context.Context) error {
	j, err := launch(ctx, launchSpec{
		name: "proxy", dir: p.dir, level: p.level,
		heap: []string{"-Xmx1g", "-XX:MaxDirectMemorySize=512m"},
		main: []string{"org.apache.pulsar.websocket.service.WebSocketServiceStarter", p.conf},
	})
	if err != nil {
		return err
	}
	p.jvm = j
	return j.await(ctx, p.accepts)
}

// accepts checks that the proxy is ready. It listens some time before it knows its cluster and its authorization, and
// answers 500 to every session until then. One for a namespace that does not exist is refused with another status once it
// is ready, and leaves nothing behind. Old proxies ask for such a namespace again and again, so they are asked for a topic
// that keeps nothing.
func (p *Proxy) accepts(ctx context.Context) error {
	dialer := websocket.Dialer{HandshakeTimeout: 10 * time.Second}
	path := "/ws/v2/consumer/persistent/public/no-such-namespace/topic/sub"
	if !atLeast(2, 11) {
		path = "/ws/v2/consumer/non-persistent/public/default/proxy-is-ready/sub?subscriptionMode=NonDurable"
	}
	conn, resp, err := dialer.DialContext(ctx, p.URL()+path, nil)
	switch {
	case err == nil:
		return conn.Close()
	case resp != nil && resp.StatusCode < http.StatusInternalServerError:
		return nil
	}
	return err
}

// URL is where the proxy serves WebSocket sessions, such as ws://127.0.0.1:21002.
func (p *Proxy) URL() string { return "ws://" + p.addr }

// HTTPURL is where it serves its statistics, such as http://127.0.0.1:21002.
func (p *Proxy) HTTPURL() string { return "http://" + p.addr }

// Pid is the proxy's process number, for reading what it uses.
func (p *Proxy) Pid() int { return p.jvm.cmd.Process.Pid }

// Log is the end of what the proxy printed.
func (p *Proxy) Log() string { return tail(p.jvm.log) }

// Kill ends the proxy as kill -9 does.
func (p *Proxy) Kill() { p.jvm.kill() }

// Stop ends the proxy and returns once it is gone. Stopping it again does nothing.
func (p *Proxy) Stop() error { return stopChild(p.jvm, p.dir) }

// stopChild ends a JVM that runs beside the broker, within stopTimeout, and removes its files.
func stopChild(j *jvm, dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := j.stop(ctx); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
