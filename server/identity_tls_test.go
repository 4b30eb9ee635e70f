package server

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/auth"
	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
)

// A client's certificate is its role, on the TLS port only and for as long as
// it is trusted.
func TestCertificateIsTheRole(t *testing.T) {
	ca := tlstest.New(t)
	own, other := ca.Issue("reader", "ecdsa"), ca.Issue("nobody", "ecdsa")
	quiet := slog.New(slog.DiscardHandler)
	authenticator, err := auth.NewAuthenticator(auth.AuthenticatorOptions{Methods: []string{auth.MethodTLS}, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	p := &permissions{roles: map[string][]string{"reader": {"consume"}}}
	authorizer := auth.NewAuthorizer(auth.AuthorizerOptions{API: p, TTL: time.Minute, Logger: quiet})
	t.Cleanup(authorizer.Close)
	gate := auth.NewGate(auth.GateOptions{Authenticator: authenticator, Authorizer: authorizer, Logger: quiet})
	o := serverCert(ca, "ecdsa")
	o.TrustFile = ca.File
	s := start(t, echoBridge(), withTLS(t, o), func(o *Options) { o.Gate = gate })

	for _, tc := range []struct {
		name, path string
		certs      []tlstest.Cert
		status     int
	}{
		{"with the permission", consumerPath("s"), []tlstest.Cert{own}, http.StatusSwitchingProtocols},
		{"without the permission", producerPath, []tlstest.Cert{own}, http.StatusForbidden},
		{"a role without any", consumerPath("s"), []tlstest.Cert{other}, http.StatusForbidden},
		{"no certificate", consumerPath("s"), nil, http.StatusUnauthorized},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			config := ca.Client(tc.certs...)
			config.MaxVersion = version
			d := websocket.Dialer{HandshakeTimeout: patience, TLSClientConfig: config}
			c, resp, err := d.Dial("wss://"+s.TLSAddr().String()+tc.path, nil)
			if err == nil {
				_ = c.Close()
			}
			if resp == nil || resp.StatusCode != tc.status {
				t.Errorf("%s, TLS %x: %v %v, want %d", tc.name, version, resp, err, tc.status)
			}
		}
	}
	if _, status := openWith(t, s, consumerPath("s"), nil); status != http.StatusUnauthorized {
		t.Errorf("without TLS: %d", status)
	}
}
