package config

import (
	"errors"
	"fmt"
	"net"
	"path"
	"strconv"
	"strings"
)

// ConfigurationStore is where the cluster's addresses are looked up when none
// is configured: a ZooKeeper ensemble.
type ConfigurationStore struct {
	// Scheme is "zk", or the name of a store we cannot read ("etcd", "oxia",
	// "rocksdb", "memory"). Such a store is no error as long as nothing has to be
	// looked up: the Java proxy needs it for authorization too. "" when none is configured.
	Scheme string
	// Servers are host:port, for zk only.
	Servers []string
	// Chroot is the path below which Pulsar's nodes are, "" or starting with a slash.
	Chroot string
}

const (
	zooKeeper     = "zk"
	zooKeeperPort = "2181"
)

var otherStores = []string{"etcd", "oxia", "rocksdb", "memory"}

// parseStore reads host:port,host:port[/chroot] with or without "zk:" before it.
// A host without a port gets ZooKeeper's usual one.
func parseStore(s string) (ConfigurationStore, error) {
	for _, name := range otherStores {
		if strings.HasPrefix(s, name+":") {
			return ConfigurationStore{Scheme: name}, nil
		}
	}
	st := ConfigurationStore{Scheme: zooKeeper}
	s = strings.TrimPrefix(strings.TrimPrefix(s, zooKeeper+":"), "//")
	if i := strings.IndexByte(s, '/'); i >= 0 {
		if st.Chroot = path.Clean(s[i:]); st.Chroot == "/" {
			st.Chroot = ""
		}
		s = s[:i]
	}
	for host := range strings.SplitSeq(s, ",") {
		host = strings.TrimSpace(host)
		if host == "" {
			continue
		}
		addr, err := zooKeeperAddress(host)
		if err != nil {
			return ConfigurationStore{}, err
		}
		st.Servers = append(st.Servers, addr)
	}
	if len(st.Servers) == 0 {
		return ConfigurationStore{}, errors.New("no server is named")
	}
	return st, nil
}

func zooKeeperAddress(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port, err = net.SplitHostPort(s + ":" + zooKeeperPort)
	}
	if err != nil || host == "" || strings.ContainsAny(host, " \t/") {
		return "", fmt.Errorf("%q is not host:port", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("%q has no valid port", s)
	}
	return net.JoinHostPort(host, port), nil
}
