//go:build pulsar

// Package lookup starts pulsegate with each way to tell it where the cluster is, and sends a message through.
package lookup

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/client"
	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

func TestMain(m *testing.M) { pulsar.Main(m) }

func TestBrokerServiceURL(t *testing.T) {
	c := pulsar.Shared(t)
	roundTrip(t, c, map[string]string{"brokerServiceUrl": c.BrokerURL()})
}

func TestServiceURL(t *testing.T) {
	c := pulsar.Shared(t)
	roundTrip(t, c, map[string]string{"serviceUrl": c.AdminURL()})
}

// TestZooKeeper uses the three lines that have always been the smallest websocket.conf; the gateway's port is the third.
func TestZooKeeper(t *testing.T) {
	c := pulsar.Shared(t)
	zk, err := c.StartZooKeeper(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer zk.Stop()
	for _, chroot := range []string{"", "/pulsar/prod"} {
		err := zk.SetCluster(chroot, c.ClusterName(), pulsar.ClusterData{ServiceURL: c.AdminURL(), BrokerServiceURL: c.BrokerURL()})
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, c, map[string]string{"globalZookeeperServers": zk.Addr() + chroot, "clusterName": c.ClusterName()})
	}
}

// roundTrip sends a message through a gateway with this configuration and has it back.
func roundTrip(t *testing.T, c *pulsar.Cluster, conf map[string]string) {
	t.Helper()
	topic := "persistent/" + c.Namespace(t) + "/" + pulsar.Name("t")
	g := gateway.Start(t, gateway.Options{Conf: conf})
	var sent, received bytes.Buffer
	if err := client.Produce(t.Context(), g.URL()+"/ws/v2/producer/"+topic, nil, []string{"found"}, &sent); err != nil {
		t.Fatalf("%v: %v", conf, err)
	}
	url := g.URL() + "/ws/v2/consumer/" + topic + "/s?subscriptionInitialPosition=Earliest"
	if err := client.Consume(t.Context(), url, nil, 1, &received); err != nil {
		t.Fatalf("%v: %v", conf, err)
	}
	if !strings.Contains(received.String(), `"found"`) {
		t.Errorf("%v: received %q", conf, received.String())
	}
	g.Stop()
}
