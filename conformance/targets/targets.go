// Package targets starts the servers that the conformance suite runs against.
package targets

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/conformance"
	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

// startTimeout bounds the start of one Java proxy.
const startTimeout = 2 * time.Minute

// Embedded is pulsegate on its embedded upstream. The servers run until t ends.
func Embedded(t testing.TB) *conformance.Target {
	return &conformance.Target{Kind: conformance.Embedded, Start: func(c conformance.Conf) (conformance.Endpoint, error) {
		url, err := startGateway(t, gateway.Options{Conf: c, Embedded: true})
		return conformance.Endpoint{HTTP: url, Admin: url}, err
	}}
}

var errNotStarted = errors.New("pulsegate did not start")

// startGateway starts pulsegate in a goroutine of its own, because a failure ends
// the goroutine it happens in.
func startGateway(t testing.TB, o gateway.Options) (url string, err error) {
	err = errNotStarted
	done := make(chan struct{})
	go func() {
		defer close(done)
		url, err = gateway.Start(t, o).HTTPURL(), nil
	}()
	<-done
	return url, err
}

// OnCluster is pulsegate and the Java proxy on one cluster, each the other's peer.
// The servers run until t and the cluster end.
func OnCluster(t testing.TB, cluster *pulsar.Cluster) (broker, java *conformance.Target) {
	startBroker := func(c conformance.Conf) (string, error) {
		conf := map[string]string{
			"clusterName":      cluster.ClusterName(),
			"brokerServiceUrl": cluster.BrokerURL(),
			"serviceUrl":       cluster.AdminURL(),
		}
		if !cluster.HasV1Names() {
			conf["v1TopicNames"] = "property/namespace/topic"
		}
		for k, v := range c {
			conf[k] = v
		}
		return startGateway(t, gateway.Options{Conf: conf})
	}
	startJava := func(c conformance.Conf) (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		p, err := cluster.StartProxy(ctx, c)
		if err != nil {
			return "", fmt.Errorf("starting the Java proxy: %w", err)
		}
		return p.HTTPURL(), nil
	}
	plainBroker := sync.OnceValues(func() (string, error) { return startBroker(nil) })
	plainJava := sync.OnceValues(func() (string, error) { return startJava(nil) })
	return side(conformance.Broker, cluster, startBroker, plainBroker, plainJava),
		side(conformance.Java, cluster, startJava, plainJava, plainBroker)
}

// StartSecure starts a cluster that demands tokens and permissions.
func StartSecure(ctx context.Context) (*pulsar.Cluster, error) {
	return pulsar.Start(ctx, pulsar.Options{BrokerConf: conformance.SecureBroker(), Token: conformance.Token(conformance.AdminRole), ZooKeeper: true})
}

// OnSecureCluster is OnCluster for a cluster of StartSecure.
func OnSecureCluster(t testing.TB, cluster *pulsar.Cluster) (broker, java *conformance.Target) {
	broker, java = OnCluster(t, cluster)
	for _, target := range []*conformance.Target{broker, java} {
		start := target.Start
		target.Start = func(c conformance.Conf) (conformance.Endpoint, error) {
			conf := maps.Clone(c)
			if target.Kind == conformance.Java {
				conf["configurationMetadataStoreUrl"] = cluster.MetadataStore()
			}
			ep, err := start(conf)
			ep.AdminToken = cluster.Admin.Token
			return ep, err
		}
	}
	return broker, java
}

// side is one of two targets on a cluster. Only servers without a configuration of
// their own have a peer.
func side(kind conformance.Kind, cluster *pulsar.Cluster, start func(conformance.Conf) (string, error), plain, peer func() (string, error)) *conformance.Target {
	return &conformance.Target{Kind: kind, Start: func(c conformance.Conf) (conformance.Endpoint, error) {
		ep := conformance.Endpoint{Admin: cluster.AdminURL(), Binary: cluster.BrokerURL(), NoV1Names: !cluster.HasV1Names(), Since: cluster.AtLeast}
		var err error
		if c != nil {
			ep.HTTP, err = start(c)
			return ep, err
		}
		if ep.HTTP, err = plain(); err != nil {
			return ep, err
		}
		ep.Peer, err = peer()
		return ep, err
	}}
}
