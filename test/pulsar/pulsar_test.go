//go:build pulsar

package pulsar

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func TestMain(m *testing.M) { Main(m) }

// publish sends one message through a WebSocket endpoint and fails the test unless it is answered ok.
func publish(t *testing.T, url string) {
	t.Helper()
	dialer := websocket.Dialer{HandshakeTimeout: 30 * time.Second}
	conn, resp, err := dialer.Dial(url, nil)
	if err != nil {
		body := make([]byte, 4<<10)
		n := 0
		if resp != nil {
			n, _ = io.ReadFull(resp.Body, body)
		}
		t.Fatalf("open %s: %v: %s", url, err, body[:n])
	}
	defer conn.Close()
	if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"payload":"aGk="}`)); err != nil {
		t.Fatalf("send: %v", err)
	}
	var answer struct {
		Result string `json:"result"`
	}
	if err := conn.ReadJSON(&answer); err != nil || answer.Result != "ok" {
		t.Fatalf("answer to a publish: %+v, %v", answer, err)
	}
}

func TestProxyRestartAndAdmin(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := Shared(t)
	if Shared(t) != c {
		t.Fatal("Shared gives a second cluster")
	}
	p, err := c.StartProxy(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()

	ns, v1 := c.Namespace(t), c.NamespaceV1(t)
	topic := "persistent://" + ns + "/topic"
	if err := c.Admin.CreateTopic(ctx, topic); err != nil {
		t.Fatal(err)
	}
	if err := c.Admin.CreateSubscription(ctx, topic, "sub"); err != nil {
		t.Fatal(err)
	}
	path := "/ws/v2/producer/persistent/" + ns + "/topic"
	publish(t, p.URL()+path)
	publish(t, p.URL()+"/ws/producer/persistent/"+v1+"/topic")

	if err := c.KillBroker(); err != nil {
		t.Fatal(err)
	}
	if err := c.StartBroker(ctx); err != nil {
		t.Fatal(err)
	}
	publish(t, p.URL()+path)
	if err := c.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	publish(t, p.URL()+path)

	stats, err := c.Admin.Stats(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	if got := stats.Subscriptions["sub"].MsgBacklog; got != 3 {
		t.Errorf("backlog after three messages, a kill and a restart: %d", got)
	}
	if err := c.Admin.TerminateTopic(ctx, topic); err != nil {
		t.Error(err)
	}
	if err := c.Admin.CreatePartitionedTopic(ctx, topic+"-many", 3); err != nil {
		t.Error(err)
	}
	if _, err := c.Admin.PartitionedStats(ctx, topic+"-many"); err != nil {
		t.Error(err)
	}
	if err := c.Admin.DeletePartitionedTopic(ctx, topic+"-many"); err != nil {
		t.Error(err)
	}
	if err := c.Admin.SetBacklogQuota(ctx, ns, 1<<20, "producer_exception"); err != nil {
		t.Error(err)
	}
	if err := c.Admin.SetSchema(ctx, topic, "STRING", ""); err != nil {
		t.Error(err)
	}
	if err := c.Admin.UnloadTopic(ctx, topic); err != nil {
		t.Error(err)
	}
	if err := c.Admin.DeleteTopic(ctx, topic); err != nil {
		t.Error(err)
	}
	var status *StatusError
	if _, err := c.Admin.Stats(ctx, topic); !errors.As(err, &status) || status.Code != http.StatusNotFound {
		t.Errorf("statistics of a deleted topic: %v, want status 404", err)
	}
}

// TestZooKeeper runs the Java proxy on the three lines of configuration of the year 2016, which find the broker only
// through ZooKeeper.
func TestZooKeeper(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := Shared(t)
	z, err := c.StartZooKeeper(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Stop()
	data := ClusterData{ServiceURL: c.AdminURL(), BrokerServiceURL: c.BrokerURL()}
	for _, chroot := range []string{"", "/pulsar/config"} {
		for range 2 { // the second time the node is there already
			if err := z.SetCluster(chroot, c.ClusterName(), data); err != nil {
				t.Fatal(err)
			}
		}
	}
	p, err := c.StartProxy(ctx, map[string]string{
		"globalZookeeperServers": z.Addr(), "serviceUrl": "", "brokerServiceUrl": "",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.Log())
		}
	})
	publish(t, p.URL()+"/ws/v2/producer/persistent/"+c.Namespace(t)+"/topic")
}
