// Package login has the ways to log in at brokers, each by the name that Pulsar gives it.
//
// They are pulsegate's own, but for what [OAuth2] asks of an issuer, which is pulsar-client-go's: the logins of
// that client come in one package, and with Athenz's bring a client of Kubernetes into every program.
//
// Logins are shared by all connections and called from any goroutine. Those that get
// something from elsewhere keep it until it expires, and may take half a minute when they have to ask for it. That is
// their only state, under a lock of each. One goroutine asks for all who wait, and ends with the answer, after that time at the latest.
package login

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"net/http"

	"github.com/pulsegate/pulsegate/filename"
)

// Login tells brokers who we are.
type Login interface {
	// Method is the name by which brokers know this way to log in; "": none.
	Method() string
	// Data is what the broker is told in CONNECT, and again when it asks.
	Data(ctx context.Context) ([]byte, error)
	// Certificate is what a TLS connection shows; nil: none.
	Certificate() (*tls.Certificate, error)
	// Authorize adds to the header of an HTTP request.
	Authorize(ctx context.Context, h http.Header) error
	// Refused is called when an HTTP server has answered 401: what was kept is worth nothing.
	Refused()
	// Check finds early what cannot work. It asks no server.
	Check() error
}

// none is the login of those who have none, and what the others have in common.
type none struct{}

func (none) Method() string                               { return "" }
func (none) Data(context.Context) ([]byte, error)         { return nil, nil }
func (none) Certificate() (*tls.Certificate, error)       { return nil, nil }
func (none) Authorize(context.Context, http.Header) error { return nil }
func (none) Refused()                                     {}
func (none) Check() error                                 { return nil }

// None is no login.
func None() Login { return none{} }

type token struct {
	none
	get func() (string, error)
}

// Token logs in with the token that get gives, which is asked at each use.
func Token(get func() (string, error)) Login { return &token{get: get} }

func (t *token) Method() string { return "token" }
func (t *token) Check() error   { _, err := t.get(); return err }

func (t *token) Data(context.Context) ([]byte, error) {
	text, err := t.get()
	return []byte(text), err
}

func (t *token) Authorize(_ context.Context, h http.Header) error {
	text, err := t.get()
	h.Set("Authorization", "Bearer "+text)
	return err
}

type certificate struct {
	none
	get func() (*tls.Certificate, error)
}

// Certificate logs in with the certificate that get gives, which is asked for each connection.
func Certificate(get func() (*tls.Certificate, error)) Login { return &certificate{get: get} }

// CertificateFiles logs in with a certificate and its key in PEM files, which are read for each connection.
func CertificateFiles(certFile, keyFile string) Login {
	return Certificate(func() (*tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(certFile, keyFile)
		return &c, filename.Fault(err, certFile, keyFile)
	})
}

func (c *certificate) Method() string                         { return "tls" }
func (c *certificate) Certificate() (*tls.Certificate, error) { return c.get() }
func (c *certificate) Check() error                           { _, err := c.get(); return err }

type basic struct {
	none
	pair string
}

// Basic logs in with a user's name and password.
func Basic(user, password string) Login { return &basic{pair: user + ":" + password} }

func (b *basic) Method() string                       { return "basic" }
func (b *basic) Data(context.Context) ([]byte, error) { return []byte(b.pair), nil }

func (b *basic) Authorize(_ context.Context, h http.Header) error {
	h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(b.pair)))
	return nil
}

// transport adds a login to requests.
type transport struct {
	login Login
	over  http.RoundTripper
}

// Over makes a round tripper that adds l to each request before over gets it.
func Over(over http.RoundTripper, l Login) http.RoundTripper { return &transport{l, over} }

// CloseIdleConnections is what [http.Client] looks for.
func (t *transport) CloseIdleConnections() {
	if over, ok := t.over.(interface{ CloseIdleConnections() }); ok {
		over.CloseIdleConnections()
	}
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	mine := req.Clone(req.Context()) // the caller's must not change
	if err := t.login.Authorize(req.Context(), mine.Header); err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // a round tripper has to, whatever happens
		}
		return nil, err
	}
	answer, err := t.over.RoundTrip(mine)
	if err == nil && answer.StatusCode == http.StatusUnauthorized {
		t.login.Refused()
	}
	return answer, err
}
