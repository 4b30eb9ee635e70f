package login

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOAuth2 gets a token from an issuer once, and another when a server has refused it.
func TestOAuth2(t *testing.T) {
	asked := 0
	var issuer *httptest.Server
	issuer = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			_, _ = io.WriteString(w, `{"token_endpoint":"`+issuer.URL+`/token"}`)
		case "/token":
			asked++
			if r.FormValue("client_id") != "me" || r.FormValue("client_secret") != "secret" || r.FormValue("audience") != "brokers" || r.FormValue("scope") != "a b" {
				t.Errorf("asked with %v", r.Form)
			}
			_, _ = io.WriteString(w, `{"access_token":"`+strings.Repeat("t", asked)+`","expires_in":3600,"token_type":"Bearer"}`)
		}
	}))
	defer issuer.Close()
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, []byte(`{"type":"client_credentials","client_id":"me","client_secret":"secret"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := OAuth2(OAuth2Options{IssuerURL: issuer.URL, Audience: "brokers", Scope: "a b", KeyFile: file})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if data, err := l.Data(t.Context()); string(data) != "t" || err != nil {
			t.Errorf("%q, %v", data, err)
		}
	}
	l.Refused()
	if header := shown(t, Over(http.DefaultTransport, l)); header != "Bearer tt" {
		t.Errorf("over HTTP %q", header)
	}
	issuer.Close()
	l.Refused()
	if _, err := l.Data(t.Context()); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("without the issuer: %v", err)
	}
}

// silent is the URL of a server that takes requests and never answers; it tells of each.
func silent(t *testing.T) (url string, taken <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got, over := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(over)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			go func() {
				for b := make([]byte, 4<<10); ; {
					if _, err := c.Read(b); err != nil {
						return
					}
					select {
					case got <- struct{}{}:
					default:
					}
				}
			}()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-over })
	return "http://" + l.Addr().String(), got
}

const keyFile = `data:,{"client_id":"me","client_secret":"secret"}`

// TestOAuth2IssuerSilent has an issuer that never answers, where it is asked for its endpoint and where for a token: the question ends with
// its bound, which says who was asked, and a request that waits for the login with its own context.
func TestOAuth2IssuerSilent(t *testing.T) {
	at, taken := silent(t)
	sends := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"token_endpoint":"`+at+`/token"}`)
	}))
	defer sends.Close()
	for _, issuer := range []string{at, sends.URL} {
		l, err := OAuth2(OAuth2Options{IssuerURL: issuer, KeyFile: keyFile})
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(t.Context())
		go func() { <-taken; end() }()
		_, err = l.(*oauthLogin).ask(ctx)
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), strings.TrimPrefix(issuer, "http://")) || strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
		ctx, end = context.WithCancel(t.Context())
		go func() { <-taken; end() }()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, sends.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Over(http.DefaultTransport, l).RoundTrip(req); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

func TestOAuth2AtFault(t *testing.T) {
	half := filepath.Join(t.TempDir(), "half.json")
	if err := os.WriteFile(half, []byte(`{"client_id":"me","client_secret":"sec`), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]OAuth2Options{
		"privateKey is needed":             {IssuerURL: "http://issuer"},
		"privateKey: open /no/such/file":   {IssuerURL: "http://issuer", KeyFile: "/no/such/file"},
		"privateKey: unexpected end of":    {IssuerURL: "http://issuer", KeyFile: half},
		"privateKey: it is not the path":   {IssuerURL: "http://issuer", KeyFile: `{"client_secret":"secret"}`},
		"no client_id":                     {IssuerURL: "http://issuer", KeyFile: `data:,{"client_secret":"secret"}`},
		"issuerUrl is needed":              {KeyFile: keyFile},
		"issuerUrl is not a URL":           {IssuerURL: "http://secret:%zz@x", KeyFile: keyFile},
		"privateKey: invalid data URL":     {IssuerURL: "http://issuer", KeyFile: "data:secret"},
		"privateKey: illegal base64 data ": {IssuerURL: "http://issuer", KeyFile: "data:;base64,!secret"},
	} {
		if _, err := OAuth2(o); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// TestOAuth2Odd has issuers that answer with something else.
func TestOAuth2Odd(t *testing.T) {
	status, answers := http.StatusOK, map[string]string{}
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answers[r.URL.Path])
	}))
	defer issuer.Close()
	ask := func(want, endpoints, token string) {
		t.Helper()
		answers = map[string]string{"/realm/.well-known/openid-configuration": endpoints, "/token": token}
		l, err := OAuth2(OAuth2Options{IssuerURL: issuer.URL + "/realm", KeyFile: keyFile})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = l.Data(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	ask("names no token_endpoint", "{}", "")
	ask("names no token_endpoint", "hello", "")
	ask("the answer has no token", `{"token_endpoint":"`+issuer.URL+`/token"}`, "{}")
	ask("unexpected EOF", `{"token_endpoint":"`+issuer.URL+`/token"}`, `{"access_token":"`+strings.Repeat("t", maxTokenAnswer)+`"}`)
	status = http.StatusNotFound
	ask("answered 404", "{}", "")
}
