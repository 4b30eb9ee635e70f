package pulsar

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	client "github.com/pulsegate/pulsegate/pulsar"
)

func TestOptionsAtFault(t *testing.T) {
	for want, o := range map[string]Options{
		"no way to find":   {},
		"brokerServiceUrl": {BrokerServiceURL: "http://h:1"},
		"serviceUrl":       {ServiceURL: "pulsar://h:1"},
		"clusterName":      {Store: ConfigurationStore{Servers: []string{"127.0.0.1:1"}}},
		"/p/admin/clusters/c at 127.0.0.1:1": {Store: ConfigurationStore{
			Servers: []string{"127.0.0.1:1"}, Chroot: "/p", Cluster: "c", Timeout: 100 * time.Millisecond,
		}},
	} {
		if u, err := New(o); err == nil {
			u.Close()
			t.Errorf("no error with %+v", o)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %q", err, want)
		}
	}
}

func TestPickURLs(t *testing.T) {
	urls := clusterURLs{"s", "stls", "b", "btls"}
	if b, s := urls.pick(false); b != "b" || s != "s" {
		t.Error(b, s)
	}
	if b, s := urls.pick(true); b != "btls" || s != "stls" {
		t.Error(b, s)
	}
}

func TestUnreachableIsSaidSoon(t *testing.T) {
	u, err := New(Options{BrokerServiceURL: "pulsar://127.0.0.1:1,127.0.0.1:2", OperationTimeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	if err := u.Ready(t.Context()); kindOf(err) != bridge.ErrUnavailable {
		t.Errorf("ready: %v", err)
	}
	if _, err := u.CreateProducer(t.Context(), bridge.ProducerSpec{Topic: "persistent://public/default/t"}); kindOf(err) != bridge.ErrUnavailable {
		t.Errorf("create a producer: %v", err)
	}
}

// TestFarDelays delays messages for very long: they are due then, and neither at once nor in the past.
func TestFarDelays(t *testing.T) {
	p := &producer{}
	for _, m := range []*bridge.Outgoing{
		{DeliverAt: time.UnixMilli(9_999_999_999_999)}, {DeliverAfter: math.MaxInt64}, {DeliverAt: time.UnixMilli(math.MaxInt64)},
		{DeliverAfter: time.Hour, DeliverAt: time.UnixMilli(1)},
	} {
		var out client.Message
		if err := p.fill(&out, m); err != nil || out.DeliverAfter != m.DeliverAfter || m.DeliverAfter > 0 != out.DeliverAt.IsZero() {
			t.Errorf("%+v is due after %v, at %v, %v", m, out.DeliverAfter, out.DeliverAt, err)
		}
	}
}
