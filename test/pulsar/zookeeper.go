package pulsar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/pulsegate/pulsegate/test/port"
)

// ZooKeeper is a running ZooKeeper server, apart from the broker's own metadata: the place where a minimal
// websocket.conf of the year 2016 says a cluster is to be looked up.
type ZooKeeper struct {
	jvm  *jvm
	addr string
	dir  string
}

// ClusterData is what Pulsar keeps about a cluster at /admin/clusters/{name}.
type ClusterData struct {
	ServiceURL          string `json:"serviceUrl,omitempty"`
	ServiceURLTLS       string `json:"serviceUrlTls,omitempty"`
	BrokerServiceURL    string `json:"brokerServiceUrl,omitempty"`
	BrokerServiceURLTLS string `json:"brokerServiceUrlTls,omitempty"`
}

// StartZooKeeper starts an empty ZooKeeper and returns once it answers. It ends with Stop or with the cluster.
func (c *Cluster) StartZooKeeper(ctx context.Context) (*ZooKeeper, error) {
	ports, err := port.Free(1)
	if err != nil {
		return nil, fmt.Errorf("start ZooKeeper: %w", err)
	}
	dir, err := c.workDir()
	if err != nil {
		return nil, fmt.Errorf("start ZooKeeper: %w", err)
	}
	path := filepath.Join(dir, "zoo.cfg")
	err = writeConf(path, map[string]string{
		"tickTime":           "1000",
		"dataDir":            filepath.Join(dir, "data"),
		"clientPort":         strconv.Itoa(ports[0]),
		"clientPortAddress":  "127.0.0.1",
		"admin.enableServer": "false",
	})
	if err != nil {
		return nil, fmt.Errorf("start ZooKeeper: %w", err)
	}
	j, err := launch(ctx, launchSpec{
		name: "zookeeper", dir: dir, level: logLevel(c.level),
		heap: []string{"-Xmx128m", "-XX:+UseSerialGC", quickStart},
		main: []string{"org.apache.zookeeper.server.ZooKeeperServerMain", path},
	})
	if err != nil {
		return nil, err
	}
	z := &ZooKeeper{jvm: j, addr: fmt.Sprintf("127.0.0.1:%d", ports[0]), dir: dir}
	if err := j.await(ctx, z.accepts); err != nil {
		return nil, err
	}
	c.children = append(c.children, z)
	return z, nil
}

// quiet keeps the ZooKeeper client from logging that a server which is starting refuses it.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// session opens a session, which takes more of a server than a listening port. The caller closes it.
func (z *ZooKeeper) session(ctx context.Context) (*zk.Conn, error) {
	conn, events, err := zk.Connect([]string{z.addr}, 10*time.Second, zk.WithLogger(quiet{}))
	if err != nil {
		return nil, fmt.Errorf("connect to ZooKeeper: %w", err)
	}
	for {
		select {
		case e := <-events:
			if e.State == zk.StateHasSession {
				return conn, nil
			}
		case <-ctx.Done():
			conn.Close()
			return nil, fmt.Errorf("connect to ZooKeeper: %w", ctx.Err())
		}
	}
}

// accepts checks that the server gives out sessions.
func (z *ZooKeeper) accepts(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := z.session(ctx)
	if err != nil {
		return err
	}
	conn.Close()
	return nil
}

// Addr is where the server listens, as host:port.
func (z *ZooKeeper) Addr() string { return z.addr }

// SetCluster writes the node /admin/clusters/{name} below chroot, which is "" or a path such as "/pulsar".
func (z *ZooKeeper) SetCluster(chroot, name string, data ClusterData) error {
	value, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("write cluster %s to ZooKeeper: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := z.session(ctx)
	if err != nil {
		return fmt.Errorf("write cluster %s to ZooKeeper: %w", name, err)
	}
	defer conn.Close()
	path := ""
	for _, part := range strings.Split(strings.Trim(chroot+"/admin/clusters", "/"), "/") {
		path += "/" + part
		if _, err := conn.Create(path, nil, 0, zk.WorldACL(zk.PermAll)); err != nil && !errors.Is(err, zk.ErrNodeExists) {
			return fmt.Errorf("make %s in ZooKeeper: %w", path, err)
		}
	}
	path += "/" + name
	_, err = conn.Create(path, value, 0, zk.WorldACL(zk.PermAll))
	if errors.Is(err, zk.ErrNodeExists) {
		_, err = conn.Set(path, value, -1)
	}
	if err != nil {
		return fmt.Errorf("write %s to ZooKeeper: %w", path, err)
	}
	return nil
}

// Log is the end of what the server printed.
func (z *ZooKeeper) Log() string { return tail(z.jvm.log) }

// Kill ends the server as kill -9 does.
func (z *ZooKeeper) Kill() { z.jvm.kill() }

// Stop ends the server and returns once it is gone. Stopping it again does nothing.
func (z *ZooKeeper) Stop() error {
	// It has no orderly end of its own and nothing to keep.
	z.jvm.kill()
	return os.RemoveAll(z.dir)
}
