package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/auth"
	"github.com/pulsegate/pulsegate/config"
)

// A client logs in with a token of an OpenID Connect issuer, which is asked for its keys
// over TLS, and one of another issuer or audience does not.
func TestLoginWithOpenID(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var issuer *httptest.Server
	issuer = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/realm/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": issuer.URL + "/realm", "jwks_uri": issuer.URL + "/keys"})
		case "/keys":
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k", Algorithm: "ES256"}}})
		default:
			http.NotFound(w, r)
		}
	}))
	defer issuer.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	change := func(c *config.Config) {
		c.AuthenticationEnabled = true
		c.AuthenticationProviders = []string{config.ProviderOpenID}
		c.OpenIDIssuers, c.OpenIDAudiences, c.OpenIDTrustCertsFile = []string{issuer.URL + "/realm"}, []string{"pulsar"}, ca
	}
	addr, log, _ := serve(t, change)
	dial := func(iss, aud string) (string, int) {
		token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
			"iss": iss, "aud": aud, "sub": "me", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		})
		token.Header["kid"] = "k"
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		c, resp, err := websocket.DefaultDialer.Dial("ws://"+addr+"/ws/v2/producer/persistent/public/default/t",
			http.Header{"Authorization": {"Bearer " + text}})
		if err == nil {
			_ = c.Close()
		}
		if resp == nil {
			t.Fatal(err)
		}
		return text, resp.StatusCode
	}
	token, status := dial(issuer.URL+"/realm", "pulsar")
	if status != http.StatusSwitchingProtocols {
		t.Errorf("status %d\n%s", status, log)
	}
	for _, other := range [][2]string{{issuer.URL, "pulsar"}, {issuer.URL + "/realm", "other"}} {
		if _, status := dial(other[0], other[1]); status != http.StatusUnauthorized {
			t.Errorf("%v: status %d", other, status)
		}
	}
	if !strings.Contains(log.String(), "fetched the keys of a token issuer") || strings.Contains(log.String(), token) {
		t.Error(log)
	}

	cfg := config.Defaults()
	change(cfg)
	if err := CheckAccess(cfg); err != nil {
		t.Error(err)
	}
	cfg.OpenIDTrustCertsFile += ".none"
	var fault *auth.SettingError
	if err := CheckAccess(cfg); !errors.As(err, &fault) || fault.Key != "openIDTokenIssuerTrustCertsFilePath" {
		t.Errorf("got %v", err)
	}
}
