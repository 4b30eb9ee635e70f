package login

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/apache/pulsar-client-go/pulsar/auth"

	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
)

func fixed(text string) func() (string, error) { return func() (string, error) { return text, nil } }

// TestAsTheLibrary compares the small logins with those of pulsar-client-go.
func TestAsTheLibrary(t *testing.T) {
	basic, err := auth.NewAuthenticationBasic("u", "p:w")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		ours   Login
		theirs auth.Provider
	}{
		"token": {Token(fixed("t")), auth.NewAuthenticationToken("t")},
		"basic": {Basic("u", "p:w"), basic},
	} {
		data, err := c.ours.Data(t.Context())
		theirs, _ := c.theirs.GetData()
		if err != nil || string(data) != string(theirs) || c.ours.Method() != c.theirs.Name() {
			t.Errorf("%s: %s %q and %s %q, %v", name, c.ours.Method(), data, c.theirs.Name(), theirs, err)
		}
		if err := c.theirs.WithTransport(http.DefaultTransport); err != nil {
			t.Fatal(err)
		}
		if ours, theirs := shown(t, Over(http.DefaultTransport, c.ours)), shown(t, c.theirs); ours != theirs {
			t.Errorf("%s: over HTTP %q, not %q", name, ours, theirs)
		}
	}
	if None().Method() != auth.NewAuthDisabled().Name() {
		t.Error("no login has a name")
	}
}

// shown is what a server sees in Authorization.
func shown(t *testing.T, over http.RoundTripper) (header string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { header = r.Header.Get("Authorization") }))
	defer s.Close()
	resp, err := (&http.Client{Transport: over}).Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return header
}

func TestCertificateFiles(t *testing.T) {
	own := tlstest.New(t).Issue("me", "ecdsa")
	l := CertificateFiles(own.CertFile, own.KeyFile)
	c, err := l.Certificate()
	if err != nil || len(c.Certificate) == 0 || l.Method() != "tls" || l.Check() != nil {
		t.Errorf("%v", err)
	}
	if err := os.Remove(own.KeyFile); err != nil {
		t.Fatal(err)
	}
	if l.Check() == nil {
		t.Error("a key that is missing is not reported")
	}
}

// failing is a login without credentials at the moment; it counts refusals.
type failing struct {
	none
	err     error
	refused int
}

func (f *failing) Authorize(context.Context, http.Header) error { return f.err }
func (f *failing) Refused()                                     { f.refused++ }

type body struct {
	io.Reader
	closed bool
}

func (b *body) Close() error { b.closed = true; return nil }

// TestOver leaves the caller's request as it is, says 401 to the login, and closes the body of a request that is not sent.
func TestOver(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer s.Close()
	req, err := http.NewRequest(http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := Over(http.DefaultTransport, Token(fixed("t"))).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if len(req.Header) != 0 {
		t.Errorf("the caller's request has %v", req.Header)
	}
	l := &failing{}
	if resp, err = Over(http.DefaultTransport, l).RoundTrip(req); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if l.refused != 1 {
		t.Errorf("told of %d refusals", l.refused)
	}
	l.err = errors.New("none today")
	b := &body{Reader: strings.NewReader("x")}
	req.Body = b
	if _, err := Over(http.DefaultTransport, l).RoundTrip(req); !errors.Is(err, l.err) || !b.closed {
		t.Errorf("%v, body closed: %v", err, b.closed)
	}
}
