//go:build pulsar

// Package principals has real brokers decide what clients of a gateway may do, which tells them whose sessions there are.
package principals

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

var secret = []byte("principals-secret-principals-secret-principals-secret-0123456789")

func key() string { return "data:;base64," + base64.StdEncoding.EncodeToString(secret) }

// token is one of a role, for as long as expires says; 0: for ever.
func token(role string, expires time.Duration) string {
	claims := jwt.MapClaims{"sub": role}
	if expires > 0 {
		claims["exp"] = time.Now().Add(expires).Unix()
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
	if err != nil {
		panic(err)
	}
	return text
}

const (
	tokenProvider = "org.apache.pulsar.broker.authentication.AuthenticationProviderToken"
	tokenLogin    = "org.apache.pulsar.client.impl.auth.AuthenticationToken"
)

// login is what brokers and gateways have in common.
func login(role string) map[string]string {
	return map[string]string{
		"authenticationEnabled": "true", "authenticationProviders": tokenProvider, "tokenSecretKey": key(),
		"brokerClientAuthenticationPlugin": tokenLogin, "brokerClientAuthenticationParameters": "token:" + token(role, 0),
	}
}

// startBroker starts one that takes the role gateway for a proxy's.
func startBroker(t *testing.T, more map[string]string) *pulsar.Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	conf := login("admin")
	maps.Copy(conf, map[string]string{"authorizationEnabled": "true", "superUserRoles": "admin,gateway", "proxyRoles": "gateway"})
	maps.Copy(conf, more)
	c, err := pulsar.Start(ctx, pulsar.Options{BrokerConf: conf, Token: token("admin", 0), LogLevel: "info"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the broker's log:\n%s", c.BrokerLog())
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// startGateway starts one of the role gateway.
func startGateway(t *testing.T, more map[string]string) *gateway.Gateway {
	t.Helper()
	conf := login("gateway")
	conf["forwardOriginalPrincipal"], conf["webSocketConnectionsPerBroker"] = "true", "1"
	maps.Copy(conf, more)
	return gateway.Start(t, gateway.Options{Conf: conf})
}

// session is a client.
type session struct {
	t *testing.T
	*websocket.Conn
}

// try opens a session, or returns the status and the reason of its refusal.
func try(t *testing.T, g *gateway.Gateway, path, token string) (s *session, status int, reason string) {
	t.Helper()
	if !strings.HasPrefix(path, "/") {
		path = "/ws/v2/" + path
	}
	ws, resp, err := websocket.DefaultDialer.DialContext(t.Context(), g.URL()+path, http.Header{"Authorization": {"Bearer " + token}})
	if err == nil {
		t.Cleanup(func() { _ = ws.Close() })
		_ = ws.SetReadDeadline(time.Now().Add(patience)) // of a TCP connection
		return &session{t, ws}, http.StatusSwitchingProtocols, ""
	}
	if resp == nil {
		t.Fatalf("%s: %v", path, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return nil, resp.StatusCode, string(body)
}

// open opens a session of a role, which has to succeed.
func open(t *testing.T, g *gateway.Gateway, path, role string) *session {
	t.Helper()
	s, status, reason := try(t, g, path, token(role, 0))
	if s == nil {
		t.Fatalf("%s for %s: %d %s", path, role, status, reason)
	}
	return s
}

// refused expects that a role is refused, and that the client is told where.
func refused(t *testing.T, g *gateway.Gateway, path, role, topic string) {
	t.Helper()
	if _, status, reason := try(t, g, path, token(role, 0)); status != http.StatusForbidden || !strings.Contains(reason, topic) {
		t.Errorf("%s for %s: %d %s", path, role, status, reason)
	}
}

// answer is a frame from the server.
type answer struct {
	Type, Result, ErrorMsg, Payload, MessageID string
}

func (s *session) read() (a answer) {
	s.t.Helper()
	_, frame, err := s.ReadMessage()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := json.Unmarshal(frame, &a); err != nil {
		s.t.Fatalf("%s: %v", frame, err)
	}
	return a
}

func (s *session) write(format string, args ...any) {
	s.t.Helper()
	if err := s.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, format, args...)); err != nil {
		s.t.Fatal(err)
	}
}

// send publishes a text and returns the answer.
func (s *session) send(text string) answer {
	s.t.Helper()
	s.write(`{"payload":%q}`, base64.StdEncoding.EncodeToString([]byte(text)))
	return s.read()
}

// publish publishes a text, which has to succeed.
func (s *session) publish(text string) {
	s.t.Helper()
	if a := s.send(text); a.Result != "ok" {
		s.t.Fatalf("publish %s: %+v", text, a)
	}
}

// take expects a text, and acknowledges it.
func (s *session) take(want string) {
	s.t.Helper()
	a := s.read()
	if text, err := base64.StdEncoding.DecodeString(a.Payload); err != nil || string(text) != want {
		s.t.Fatalf("got %q (%+v), not %q", text, a, want)
	}
	s.write(`{"messageId":%q}`, a.MessageID)
}

// connections are the client's ends of those that a topic's producers, or consumers of a subscription, have at the broker.
func connections(t *testing.T, c *pulsar.Cluster, topic, subscription string) (list []string) {
	t.Helper()
	type user struct{ Address string }
	var stats struct {
		Publishers    []user
		Subscriptions map[string]struct{ Consumers []user }
	}
	if err := c.Admin.Do(t.Context(), http.MethodGet, "/admin/v2/"+topic+"/stats", nil, &stats); err != nil {
		t.Fatal(err)
	}
	users := stats.Publishers
	if subscription != "" {
		users = stats.Subscriptions[subscription].Consumers
	}
	for _, u := range users {
		list = append(list, u.Address)
	}
	return list
}

// allow gives a role permissions on a namespace; deny takes them.
func allow(t *testing.T, c *pulsar.Cluster, namespace, role string, actions ...string) {
	t.Helper()
	if err := c.Admin.Do(t.Context(), http.MethodPost, "/admin/v2/namespaces/"+namespace+"/permissions/"+role, actions, nil); err != nil {
		t.Fatal(err)
	}
}

func deny(t *testing.T, c *pulsar.Cluster, namespace, role string) {
	t.Helper()
	if err := c.Admin.Do(t.Context(), http.MethodDelete, "/admin/v2/namespaces/"+namespace+"/permissions/"+role, nil, nil); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
