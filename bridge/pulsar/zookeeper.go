package pulsar

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"
)

// ConfigurationStore is the ZooKeeper in which a cluster publishes its
// addresses.
type ConfigurationStore struct {
	// Servers are host:port each.
	Servers []string
	// Chroot is the path under which Pulsar's nodes lie, "" or like "/pulsar".
	Chroot string
	// Cluster names the node /admin/clusters/{Cluster}.
	Cluster string
	// Timeout bounds a lookup, connecting included, and is the session's; 0: 30 s.
	Timeout time.Duration
}

// clusterURLs is what the cluster's node holds, as JSON.
type clusterURLs struct {
	ServiceURL          string `json:"serviceUrl"`
	ServiceURLTLS       string `json:"serviceUrlTls"`
	BrokerServiceURL    string `json:"brokerServiceUrl"`
	BrokerServiceURLTLS string `json:"brokerServiceUrlTls"`
}

// pick takes the addresses with TLS or those without.
func (c clusterURLs) pick(tls bool) (broker, service string) {
	if tls {
		return c.BrokerServiceURLTLS, c.ServiceURLTLS
	}
	return c.BrokerServiceURL, c.ServiceURL
}

func (s *ConfigurationStore) node() string {
	return "ZooKeeper node " + s.Chroot + "/admin/clusters/" + s.Cluster
}

// lookup reads the cluster's node once. It waits for a ZooKeeper that is not
// there yet, as both are often started together, until the timeout; then the
// process should end with the error and be started again by whoever runs it.
func (s *ConfigurationStore) lookup(log *slog.Logger) (clusterURLs, error) {
	var urls clusterURLs
	if s.Cluster == "" {
		return urls, errors.New("clusterName is needed to find the cluster in ZooKeeper")
	}
	timeout := s.Timeout
	if timeout <= 0 {
		timeout = 30 * time.Second
	}
	data, err := s.read(timeout, log)
	if err != nil {
		return urls, fmt.Errorf("look up the cluster: %s at %s: %w", s.node(), strings.Join(s.Servers, ","), err)
	}
	if err := json.Unmarshal(data, &urls); err != nil {
		return urls, fmt.Errorf("look up the cluster: %s does not hold the JSON of a cluster: %w", s.node(), err)
	}
	return urls, nil
}

func (s *ConfigurationStore) read(timeout time.Duration, log *slog.Logger) ([]byte, error) {
	conn, events, err := zk.Connect(s.Servers, timeout, zk.WithLogger(zkLogger{log}))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for session := false; !session; {
		select {
		case e := <-events:
			session = e.State == zk.StateHasSession
		case <-deadline.C:
			return nil, fmt.Errorf("no answer within %s", timeout)
		}
	}
	type answer struct {
		data []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		data, _, err := conn.Get(s.Chroot + "/admin/clusters/" + s.Cluster)
		got <- answer{data, err}
	}()
	select {
	case a := <-got:
		if errors.Is(a.err, zk.ErrNoNode) {
			return nil, errors.New("there is no such node: check clusterName")
		}
		return a.data, a.err
	case <-deadline.C:
		return nil, fmt.Errorf("no answer within %s", timeout)
	}
}

// zkLogger sends what the ZooKeeper library says to the debug level.
type zkLogger struct{ log *slog.Logger }

func (l zkLogger) Printf(format string, args ...any) {
	l.log.Debug("zookeeper: " + fmt.Sprintf(format, args...))
}
