package main

import (
	"crypto/tls"
	"encoding/base64"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/port"
)

const reloadTopic = "/ws/v2/producer/persistent/public/default/reload"

// tokenOf is a token signed with a secret, which goes into the configuration as inline.
func tokenOf(t *testing.T, secret string) (token, inline string) {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "device"}).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return token, "data:;base64," + base64.StdEncoding.EncodeToString([]byte(secret))
}

// open opens a producer's session with a token and returns the answer's status.
func open(t *testing.T, g *gateway.Gateway, token string) (*websocket.Conn, int) {
	t.Helper()
	c, resp, err := websocket.DefaultDialer.Dial(g.URL()+reloadTopic, http.Header{"Authorization": {"Bearer " + token}})
	if resp == nil {
		t.Fatal(err)
	}
	if err != nil {
		return nil, resp.StatusCode
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, resp.StatusCode
}

// reload sends SIGHUP and waits until the log says want once more.
func reload(t *testing.T, g *gateway.Gateway, want string) {
	t.Helper()
	before := strings.Count(g.Logs(), want)
	g.Signal(syscall.SIGHUP)
	for end := time.Now().Add(20 * time.Second); strings.Count(g.Logs(), want) == before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %q in the log", want)
		}
	}
}

const (
	reloaded  = "SIGHUP: done"
	unchanged = "SIGHUP: nothing was changed"
)

// What can be read again is, while a session stays open and serves; and a file with
// a mistake changes nothing at all.
func TestReload(t *testing.T) {
	ca := tlstest.New(t)
	cert := ca.Issue("server", "ecdsa")
	ports, err := port.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	oldToken, oldKey := tokenOf(t, strings.Repeat("old secret ", 4))
	newToken, newKey := tokenOf(t, strings.Repeat("new secret ", 4))
	conf := map[string]string{
		"webServicePortTls": strconv.Itoa(ports[0]), "tlsCertificateFilePath": cert.CertFile, "tlsKeyFilePath": cert.KeyFile,
		"authenticationEnabled": "true", "authenticationProviders": config.ProviderToken, "tokenSecretKey": oldKey,
	}
	g := gateway.Start(t, gateway.Options{Embedded: true, Conf: conf})
	with := func(changes map[string]string) map[string]string {
		all := maps.Clone(conf)
		maps.Copy(all, changes)
		return all
	}
	serial := func() string {
		c, err := tls.Dial("tcp", "127.0.0.1:"+conf["webServicePortTls"], ca.Client())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	session, status := open(t, g, oldToken)
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", status)
	}
	publish(t, session)
	before := serial()

	// A mistake: nothing is changed, although all else in the file is right.
	ca.Issue("server", "ecdsa") // in the place of the old one
	path := g.Configure(with(map[string]string{"tokenSecretKey": newKey, "logLevel": "loud", "maxUrlBytes": "8k", "webSocketMaxTextFrameSize": "10"}))
	reload(t, g, unchanged)
	for _, want := range []string{"logLevel=loud (" + path + ":", "maxUrlBytes=8k (" + path + ":", "it must be one of debug", "it must be a whole number of bytes from"} {
		if !strings.Contains(g.Logs(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	if serial() != before {
		t.Error("the certificate is another one")
	}
	// So is a key that cannot be used.
	g.Configure(with(map[string]string{"tokenSecretKey": "data:;base64,c2hvcnQ=", "webSocketMaxTextFrameSize": "10"}))
	reload(t, g, unchanged)
	if !strings.Contains(g.Logs(), "tokenSecretKey: ") {
		t.Error("the log does not name the key")
	}
	// And a file that is no such file, or not there.
	g.Configure(with(map[string]string{"logLevel\\u00": "x"}))
	reload(t, g, unchanged)
	if !strings.Contains(g.Logs(), "not a key=value line of Java properties") {
		t.Error("the log does not say what is wrong with the file")
	}
	second, status := open(t, g, oldToken)
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("the old token and limit count, but the status is %d", status)
	}
	_ = second.Close()
	publish(t, session)

	// All that can take effect does.
	g.Configure(with(map[string]string{"tokenSecretKey": newKey, "logLevel": "debug", "maxSessionsPerAddress": "2", "webServicePort": "1", "reusePort": "true"}))
	reload(t, g, reloaded)
	publish(t, session)
	for _, want := range []string{
		`msg="SIGHUP: a value takes effect" key=logLevel was=info is=debug from=` + path + ":",
		`msg="SIGHUP: a value takes effect" key=maxSessionsPerAddress was=0 is=2`,
		`msg="SIGHUP: a value takes effect" key=tokenSecretKey was=****** is=******`,
		`msg="SIGHUP: a value needs a restart to take effect" key=reusePort was=false is=true`,
		`msg="SIGHUP: a value needs a restart to take effect" key=webServicePort was=`,
		"changed=3 waiting_for_a_restart=2",
	} {
		if !strings.Contains(g.Logs(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	if serial() == before {
		t.Error("the certificate is the old one")
	}
	if _, status := open(t, g, oldToken); status != http.StatusUnauthorized {
		t.Errorf("with the old key: status %d", status)
	}
	// The connection that was refused counts until it is closed.
	second, status = open(t, g, newToken)
	for end := time.Now().Add(20 * time.Second); status == http.StatusTooManyRequests && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		second, status = open(t, g, newToken)
	}
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("with the new key: status %d", status)
	}
	logged(t, g, `msg="session opened"`) // at debug
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		third, status := open(t, g, newToken)
		if status == http.StatusTooManyRequests {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("a third session: status %d", status) // the first is counted, too, though not at once
		}
		_ = third.Close()
	}

	// A message may have another size from now on, also of the session that is open.
	g.Configure(with(map[string]string{"tokenSecretKey": newKey, "webSocketMaxTextFrameSize": "20"}))
	reload(t, g, reloaded)
	if want := `msg="SIGHUP: a value takes effect" key=maxSessionsPerAddress was=2 is=0`; !strings.Contains(g.Logs(), want) {
		t.Errorf("the log does not say %q", want)
	}
	publish(t, second)
	if err := second.WriteMessage(websocket.TextMessage, []byte(`{"payload":"aGVsbG8gd29ybGQ="}`)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := second.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		t.Errorf("a message that is too large now: %v", err)
	}
	publish(t, session)
	for _, secret := range []string{oldKey, newKey, oldToken, newToken, "c2hvcnQ"} {
		if strings.Contains(g.Logs(), secret) {
			t.Error("the log shows a secret")
		}
	}
}
