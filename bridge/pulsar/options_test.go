package pulsar

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
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

func TestReachabilityHosts(t *testing.T) {
	for url, want := range map[string]string{
		"pulsar://a:1,b":      "a:1 b:6650",
		"pulsar+ssl://a":      "a:6651",
		"http://a:8080/":      "a:8080",
		"https://[::1],h:444": "[::1]:443 h:444",
	} {
		r, err := newReachability(url)
		if got := strings.Join(r.hosts, " "); err != nil || got != want {
			t.Errorf("%s: %q, %v", url, got, err)
		}
	}
	if _, err := newReachability("a:1"); err == nil {
		t.Error("no scheme was taken")
	}
}

func TestHashesAreJavas(t *testing.T) {
	// The values of String.hashCode() & MAX_VALUE, and of Murmur3_32Hash.
	for key, want := range map[string]uint32{"": 0, "a": 97, "key1": 3288498, "\u00e4\u20ac": 15432, "\U0001f600": 1772899} {
		if got := javaStringHash(key); got != want {
			t.Errorf("javaStringHash(%q) = %d, want %d", key, got, want)
		}
	}
	if got := murmurHash("key1"); got != 462881061 {
		t.Errorf("murmurHash = %d", got)
	}
}

// TestSenderKeepsItsPartition adds partitions under senders.
func TestSenderKeepsItsPartition(t *testing.T) {
	p := &producer{}
	p.partitions.Store(2)
	var senders []*sender
	chosen := map[int]int{}
	for range 64 {
		s := p.newSender()
		senders = append(senders, s)
		chosen[s.partition(&bridge.Outgoing{})]++
	}
	if len(chosen) != 2 {
		t.Fatalf("64 senders chose %v of 2 partitions", chosen)
	}
	p.partitions.Store(7)
	for i, s := range senders {
		for range 3 {
			if got := s.partition(&bridge.Outgoing{}); got != s.turn || got > 1 {
				t.Fatalf("sender %d went from partition %d to %d", i, s.turn, got)
			}
		}
	}
	if got := senders[0].partition(&bridge.Outgoing{Key: "a", HasKey: true}); got != 97%7 {
		t.Errorf("key a went to %d", got)
	}
	if got := senders[0].partition(&bridge.Outgoing{HasKey: true}); got != 0 {
		t.Errorf("the empty key went to %d", got)
	}
}

// TestSendersTakeTurnsByThemselves lets two senders publish in turn.
func TestSendersTakeTurnsByThemselves(t *testing.T) {
	p := &producer{spec: bridge.ProducerSpec{Routing: bridge.RoundRobinPartition}}
	p.partitions.Store(2)
	a, b := p.newSender(), p.newSender()
	used := map[int]bool{}
	for range 2 {
		used[a.partition(&bridge.Outgoing{})] = true
		b.partition(&bridge.Outgoing{})
	}
	if len(used) != 2 {
		t.Errorf("a sender used partitions %v", used)
	}
}

// TestFarDelays delays messages beyond what the client library can count.
func TestFarDelays(t *testing.T) {
	p := &producer{}
	for _, m := range []*bridge.Outgoing{
		{DeliverAt: time.UnixMilli(9_999_999_999_999)}, {DeliverAfter: math.MaxInt64}, {DeliverAt: lastDelivery}, {DeliverAfter: time.Hour},
	} {
		out, err := p.message(m)
		if err != nil || out.DeliverAt.UnixNano() < time.Now().UnixNano() || batchable(out) {
			t.Errorf("%+v is due at %v, %v", m, out.DeliverAt, err)
		}
	}
	if out, err := p.message(&bridge.Outgoing{}); err != nil || !out.DeliverAt.IsZero() || !batchable(out) {
		t.Errorf("a message without a delay is due at %v, %v", out.DeliverAt, err)
	}
}
