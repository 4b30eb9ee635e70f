//go:build pulsar

package principals

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

// TestPrincipals has a broker decide by the roles that the gateway names.
func TestPrincipals(t *testing.T) {
	c := startBroker(t, nil)
	binary := startGateway(t, map[string]string{"brokerServiceUrl": c.BrokerURL()})

	t.Run("the gateway's own role can do nothing by itself", func(t *testing.T) {
		topic := "persistent/" + c.Namespace(t) + "/t"
		plain := startGateway(t, map[string]string{"brokerServiceUrl": c.BrokerURL(), "forwardOriginalPrincipal": "false"})
		refused(t, plain, "producer/"+topic, "admin", "t")
		refused(t, binary, "producer/"+topic, "gateway", "t") // a proxy's role is nobody's
		open(t, binary, "producer/"+topic, "admin").publish("x")
	})

	for name, g := range map[string]*gateway.Gateway{"lookups by the binary protocol": binary, "lookups over HTTP": startGateway(t, map[string]string{"serviceUrl": c.AdminURL()})} {
		t.Run("permissions, "+name, func(t *testing.T) {
			ns, other := c.Namespace(t), c.Namespace(t)
			topic, elsewhere := "persistent/"+ns+"/t", "persistent/"+other+"/t"
			allow(t, c, ns, "alice", "produce")
			allow(t, c, ns, "bob", "consume")
			x, r := open(t, g, "consumer/"+topic+"/s", "bob"), open(t, g, "reader/"+topic, "bob")
			open(t, g, "producer/"+topic, "alice").publish("x")
			x.take("x")
			r.take("x")
			pattern := "/ws/v3/consumer/p?subscriptionInitialPosition=Earliest&topicsPattern=persistent://"
			open(t, g, pattern+ns+"/.*", "bob").take("x")
			refused(t, g, pattern+other+"/.*", "bob", other)
			for path, role := range map[string]string{
				"producer/" + topic: "bob", "consumer/" + topic + "/s": "alice", "reader/" + topic: "alice",
				"producer/" + elsewhere: "alice", "consumer/" + elsewhere + "/s": "bob", "reader/" + elsewhere: "bob",
			} {
				refused(t, g, path, role, strings.Replace(strings.TrimSuffix(path[strings.Index(path, "/")+1:], "/s"), "/", "://", 1))
			}
		})

		t.Run("partitions, "+name, func(t *testing.T) {
			ns := c.Namespace(t)
			topic := "persistent/" + ns + "/t"
			if err := c.Admin.CreatePartitionedTopic(t.Context(), strings.Replace(topic, "/", "://", 1), 2); err != nil {
				t.Fatal(err)
			}
			allow(t, c, ns, "alice", "produce", "consume")
			x, r := open(t, g, "consumer/"+topic+"/s", "alice"), open(t, g, "reader/"+topic, "alice")
			open(t, g, "producer/"+topic, "alice").publish("x")
			x.take("x")
			r.take("x")
			refused(t, g, "reader/"+topic, "bob", ns)
		})
	}

	t.Run("roles do not share", func(t *testing.T) {
		ns := c.Namespace(t)
		topic := "persistent/" + ns + "/t"
		for _, role := range []string{"alice", "bob"} {
			allow(t, c, ns, role, "produce", "consume")
			for range 2 {
				open(t, binary, "producer/"+topic, role).publish(role)
				open(t, binary, "consumer/"+topic+"/s?subscriptionType=Shared", role)
			}
		}
		for what, list := range map[string][]string{"producers": connections(t, c, topic, ""), "consumers": connections(t, c, topic, "s")} {
			slices.Sort(list)
			if got := slices.Compact(slices.Clone(list)); len(got) != 2 || what == "producers" && len(list) != 2 || what == "consumers" && len(list) != 4 {
				t.Errorf("%s: %v", what, list)
			}
		}
	})

	t.Run("a role that loses its permission", func(t *testing.T) {
		ns := c.Namespace(t)
		topic := "persistent/" + ns + "/t"
		allow(t, c, ns, "alice", "produce")
		allow(t, c, ns, "bob", "produce")
		a, b := open(t, binary, "producer/"+topic, "alice"), open(t, binary, "producer/"+topic, "bob")
		a.publish("from alice")
		deny(t, c, ns, "alice")
		eventually(t, "alice is refused", func() bool {
			got := a.send("from alice")
			return got.Result == "send-error:6" && strings.Contains(got.ErrorMsg, "uthoriz")
		})
		refused(t, binary, "producer/"+topic, "alice", ns)
		b.publish("from bob")
		allow(t, c, ns, "alice", "produce")
		eventually(t, "alice may publish again", func() bool { return a.send("from alice").Result == "ok" })
	})

	t.Run("dead letters are published by the client's role", func(t *testing.T) {
		ns := c.Namespace(t)
		topic := "persistent/" + ns + "/t"
		allow(t, c, ns, "alice", "produce", "consume")
		x := open(t, binary, "consumer/"+topic+"/s?subscriptionType=Shared&maxRedeliverCount=1&negativeAckRedeliveryDelay=10", "alice")
		dead := open(t, binary, "consumer/"+topic+"-s-DLQ/s", "alice")
		open(t, binary, "producer/"+topic, "alice").publish("x")
		for range 2 {
			x.write(`{"type":"negativeAcknowledge","messageId":%q}`, x.read().MessageID)
		}
		dead.take("x")
	})

	t.Run("too many roles", func(t *testing.T) {
		g := startGateway(t, map[string]string{"brokerServiceUrl": c.BrokerURL(), "maxOriginalPrincipals": "1"})
		ns := c.Namespace(t)
		topic := "persistent/" + ns + "/t"
		allow(t, c, ns, "alice", "produce")
		a := open(t, g, "producer/"+topic, "alice")
		_, status, reason := try(t, g, "producer/"+topic, token("admin", 0))
		if status != http.StatusServiceUnavailable || !strings.Contains(reason, "maxOriginalPrincipals") {
			t.Errorf("%d %s", status, reason)
		}
		a.publish("x")
		_ = a.Close()
		eventually(t, "the next role has the place", func() bool {
			_, status, _ := try(t, g, "producer/"+topic, token("admin", 0))
			return status == http.StatusSwitchingProtocols
		})
	})

	t.Run("the gateway asks, too", func(t *testing.T) {
		g := startGateway(t, map[string]string{"brokerServiceUrl": c.BrokerURL(), "serviceUrl": c.AdminURL(), "authorizationEnabled": "true"})
		ns := c.Namespace(t)
		topic := "persistent/" + ns + "/t"
		allow(t, c, ns, "alice", "produce")
		open(t, g, "producer/"+topic, "alice").publish("x")
		refused(t, g, "producer/"+topic, "bob", ns)
	})

	// A broker looks at the permission of a consumer when it subscribes, and not again while it is connected.
	t.Run("an open consumer that loses its permission", func(t *testing.T) {
		asks := startGateway(t, map[string]string{"brokerServiceUrl": c.BrokerURL(), "serviceUrl": c.AdminURL(),
			"authorizationEnabled": "true", "authorizationCacheMillis": "500"})
		ns := c.Namespace(t)
		topic := "persistent/" + ns + "/t"
		allow(t, c, ns, "alice", "consume")
		ended := []*session{open(t, asks, "consumer/"+topic+"/asked", "alice"), open(t, asks, "reader/"+topic, "alice")}
		stays := open(t, binary, "consumer/"+topic+"/not-asked", "alice")
		deny(t, c, ns, "alice")
		for _, x := range ended {
			var end *websocket.CloseError
			if _, frame, err := x.ReadMessage(); !errors.As(err, &end) || end.Code != 4006 {
				t.Errorf("with authorizationEnabled: %s %v", frame, err)
			}
		}
		refused(t, binary, "consumer/"+topic+"/not-asked", "alice", ns)
		open(t, binary, "producer/"+topic, "admin").publish("x")
		stays.take("x")
	})
}

// TestCredentials has a broker check what clients have shown.
func TestCredentials(t *testing.T) {
	c := startBroker(t, map[string]string{"authenticateOriginalAuthData": "true", "authenticationRefreshCheckSeconds": "1"})
	place := map[string]string{"brokerServiceUrl": c.BrokerURL()}
	topic := func(t *testing.T) string {
		ns := c.Namespace(t)
		allow(t, c, ns, "alice", "produce", "consume")
		return "persistent/" + ns + "/t"
	}
	showing := map[string]string{"brokerServiceUrl": c.BrokerURL(), "forwardAuthorizationCredentials": "true", "authenticationRefreshCheckSeconds": "5"}
	g := startGateway(t, showing)

	t.Run("they are needed", func(t *testing.T) {
		if _, status, reason := try(t, startGateway(t, place), "producer/"+topic(t), token("alice", 0)); status != http.StatusUnauthorized {
			t.Errorf("%d %s", status, reason)
		}
		open(t, g, "producer/"+topic(t), "alice").publish("x")
		refused(t, g, "producer/"+topic(t), "bob", "t")
	})

	t.Run("they are renewed", func(t *testing.T) {
		topic := topic(t)
		role := pulsar.Name("role")
		allow(t, c, strings.TrimSuffix(strings.TrimPrefix(topic, "persistent/"), "/t"), role, "produce")
		s, status, reason := try(t, g, "producer/"+topic, token(role, 3*time.Second))
		if s == nil {
			t.Fatalf("%d %s", status, reason)
		}
		s.publish("before")
		before := connections(t, c, topic, "")
		if a := s.read(); a.Type != "AUTH_CHALLENGE" {
			t.Fatalf("%+v", a)
		}
		s.write(`{"type":"AUTH_RESPONSE","authResponse":{"clientVersion":"v0","protocolVersion":0,"response":{"authMethodName":"token","authData":%q}}}`, token(role, time.Hour))
		eventually(t, "the broker asks, and takes the newer one", func() bool {
			s.publish("meanwhile")
			return strings.Contains(c.BrokerLog(), "Refreshed authentication credentials for role "+role)
		})
		s.publish("after")
		if after := connections(t, c, topic, ""); len(before) != 1 || !slices.Equal(before, after) {
			t.Errorf("the connection was %v and is %v", before, after)
		}
	})

	t.Run("without newer ones the role is refused", func(t *testing.T) {
		topic := topic(t)
		role := pulsar.Name("role")
		allow(t, c, strings.TrimSuffix(strings.TrimPrefix(topic, "persistent/"), "/t"), role, "produce")
		once := map[string]string{"authenticationRefreshCheckSeconds": "0"} // the gateway looks at a token once
		for key, value := range showing {
			if _, ok := once[key]; !ok {
				once[key] = value
			}
		}
		g := startGateway(t, once)
		s, status, reason := try(t, g, "producer/"+topic, token(role, 3*time.Second))
		if s == nil {
			t.Fatalf("%d %s", status, reason)
		}
		s.publish("before")
		eventually(t, "its publishes are refused", func() bool { return s.send("after").Result == "send-error:5" })
		// Another client of the role brings credentials that count.
		open(t, g, "producer/"+topic, role).publish("x")
		eventually(t, "its publishes are taken again", func() bool { return s.send("after").Result == "ok" })
	})
}
