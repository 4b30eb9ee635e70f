package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

var otherKey = must(rsa.GenerateKey(rand.Reader, 2048))

// idp is an OpenID Connect issuer on loopback.
type idp struct {
	*httptest.Server
	asked atomic.Int32  // for its keys
	came  chan struct{} // told when it is

	mu   sync.Mutex // guards what follows
	keys []jose.JSONWebKey
	hold chan struct{} // not nil: answers wait until it is closed
	down bool
}

func newIDP(t *testing.T, start func(http.Handler) *httptest.Server) *idp {
	t.Helper()
	i := &idp{came: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		select {
		case i.came <- struct{}{}:
		default:
		}
		i.mu.Lock()
		keys, hold, down := i.keys, i.hold, i.down
		i.mu.Unlock()
		if hold != nil {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		}
		if down {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: keys})
	})
	i.Server = start(mux)
	t.Cleanup(i.Close)
	i.publish(key("rsa", &rsaKey.PublicKey, "", ""))
	return i
}

func key(id string, public any, alg, use string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: public, KeyID: id, Algorithm: alg, Use: use}
}

func (i *idp) publish(keys ...jose.JSONWebKey) { i.set(func() { i.keys = keys }) }

func (i *idp) set(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

// token signs claims that are as they should be, but for those given as pairs; a nil value
// takes a claim away.
func (i *idp) token(method jwt.SigningMethod, signer any, id string, pairs ...any) string {
	now := time.Now()
	claims := jwt.MapClaims{"iss": i.URL, "sub": "me", "aud": "pulsar", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	header := map[string]any{}
	for n := 0; n < len(pairs); n += 2 {
		name := pairs[n].(string)
		switch field, isHeader := strings.CutPrefix(name, "header."); {
		case isHeader:
			header[field] = pairs[n+1]
		case pairs[n+1] == nil:
			delete(claims, name)
		default:
			claims[name] = pairs[n+1]
		}
	}
	t := jwt.NewWithClaims(method, claims)
	if id != "" {
		t.Header["kid"] = id
	}
	for name, v := range header {
		t.Header[name] = v
	}
	return must(t.SignedString(signer))
}

func (i *idp) rs256(pairs ...any) string {
	return i.token(jwt.SigningMethodRS256, rsaKey, "rsa", pairs...)
}

// openID makes a provider for issuers whose clock the test may change.
func openID(t *testing.T, change func(*OpenIDOptions), issuers ...*idp) (*openIDProvider, *clock) {
	t.Helper()
	o := OpenIDOptions{Audiences: []string{"other", "pulsar"}, RoleClaim: "sub", Plain: true, Refresh: 18 * time.Hour, Expire: 24 * time.Hour,
		Miss: 5 * time.Minute, ConnectTimeout: time.Minute, ReadTimeout: time.Minute}
	for _, i := range issuers {
		o.Issuers = append(o.Issuers, i.URL)
	}
	if change != nil {
		change(&o)
	}
	p, err := newOpenIDProvider(o, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	c := &clock{base: time.Now()}
	for _, i := range p.issuers {
		i.now = c.now
	}
	return p, c
}

// clock stands, but for what the test lets pass.
type clock struct {
	base  time.Time
	ahead atomic.Int64
}

func (c *clock) now() time.Time { return c.base.Add(time.Duration(c.ahead.Load())) }

func (c *clock) pass(d time.Duration) { c.ahead.Add(int64(d)) }

func (p *openIDProvider) login(t *testing.T, token string) (Principal, error) {
	t.Helper()
	return p.authenticate(t.Context(), &Request{Authorization: "Bearer " + token, turn: turnLogin})
}

func wantRole(t *testing.T, what string, p *openIDProvider, token, role string) {
	t.Helper()
	if who, err := p.login(t, token); err != nil || who.Role != role || who.Method != MethodToken {
		t.Errorf("%s: %+v, %v", what, who, err)
	}
}
