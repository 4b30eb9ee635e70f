package auth

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// Keys come from nowhere but where the issuer's own certificate vouches for.
func TestOpenIDDiscovery(t *testing.T) {
	i := newIDP(t, httptest.NewTLSServer)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	d := discovery{trustFile: ca, connect: time.Minute, read: time.Minute}
	if keys, err := d.fetch(t.Context(), i.URL); err != nil || len(keys.byID) != 1 {
		t.Errorf("%+v, %v", keys, err)
	}
	if _, err := (discovery{connect: time.Minute, read: time.Minute}).fetch(t.Context(), i.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
	var document, keys string
	status := http.StatusOK
	mux := http.NewServeMux()
	mux.HandleFunc("/a/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", i.URL+"/.well-known/openid-configuration")
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, document)
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, keys) })
	s := httptest.NewUnstartedServer(mux)
	s.TLS = i.TLS
	s.StartTLS()
	defer s.Close()
	issuer := s.URL + "/a/"
	good := fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer, s.URL+"/keys")
	for _, tc := range []struct {
		status               int
		document, keys, says string
	}{
		{200, good, `{"keys":[]}`, ""},
		{200, good, `{"keys":[{"kty":"RSA"},{"kty":"new"},7]}`, ""},
		{302, good, `{"keys":[]}`, "status 302"},
		{404, good, `{"keys":[]}`, "status 404"},
		{200, "<html>", "", "not the JSON"},
		{200, `{}`, "", "the two must match exactly"},
		{200, strings.Replace(good, "/a/", "/a", 1), `{"keys":[]}`, "the two must match exactly"},
		{200, fmt.Sprintf(`{"issuer":%q}`, issuer), "", "no jwks_uri"},
		{200, fmt.Sprintf(`{"issuer":%q,"jwks_uri":"http://%s/keys"}`, issuer, s.Listener.Addr()), `{"keys":[]}`, "does not use https"},
		{200, fmt.Sprintf(`{"issuer":%q,"jwks_uri":"file:///etc/passwd"}`, issuer), "", "not a URL"},
		{200, good, "{}", `no list of "keys"`},
		{200, good, "[]", `no list of "keys"`},
		{200, good, strings.Repeat(" ", maxDocument+1), "more than"},
	} {
		status, document, keys = tc.status, tc.document, tc.keys
		set, err := d.fetch(t.Context(), issuer)
		if tc.says == "" && (err != nil || len(set.byID) != 0) || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
			t.Errorf("%d %.80s %.80s: %v, want %q", tc.status, tc.document, tc.keys, err, tc.says)
		}
	}
}

func TestOpenIDSettings(t *testing.T) {
	for _, tc := range []struct {
		change func(*OpenIDOptions)
		key    string
	}{
		{func(o *OpenIDOptions) { o.TrustCertsFile = "-----BEGIN PRIVATE KEY-----hunter2" }, "openIDTokenIssuerTrustCertsFilePath"},
		{func(o *OpenIDOptions) { o.Issuers = nil }, "openIDAllowedTokenIssuers"},
		{func(o *OpenIDOptions) { o.Issuers = []string{"http://issuer.example"} }, "openIDAllowedTokenIssuers"},
		{func(o *OpenIDOptions) { o.Issuers = []string{"https://me:secret@issuer.example"} }, "openIDAllowedTokenIssuers"},
		{func(o *OpenIDOptions) { o.Issuers = []string{"issuer"} }, "openIDAllowedTokenIssuers"},
		{func(o *OpenIDOptions) { o.Audiences = nil }, "openIDAllowedAudiences"},
		{func(o *OpenIDOptions) { o.TrustCertsFile = "/none" }, "openIDTokenIssuerTrustCertsFilePath"},
	} {
		o := OpenIDOptions{Issuers: []string{"https://issuer.example"}, Audiences: []string{"a"}}
		tc.change(&o)
		_, err := NewAuthenticator(AuthenticatorOptions{Methods: []string{LoginOpenID}, OpenID: o, Logger: quiet})
		if s := (*SettingError)(nil); !errors.As(err, &s) || s.Key != tc.key {
			t.Errorf("%v, want one of %s", err, tc.key)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: a key is shown: %v", tc.key, err)
		}
	}
}

// Whatever an issuer sends, only public keys that are strong enough come of it.
func FuzzKeySet(f *testing.F) {
	for _, k := range []jose.JSONWebKey{key("rsa", &rsaKey.PublicKey, "RS256", "sig"), key("ec", &ecKey.PublicKey, "", ""), key("private", rsaKey, "", "")} {
		f.Add(must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k}})))
	}
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"a","n":"AQ","e":"AQ"},{"kty":"oct","kid":"b","k":"AA"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := parseKeySet(data)
		if err != nil {
			return
		}
		for id, v := range set.byID {
			switch k := v.key.(type) {
			case *rsa.PublicKey:
				if k.N.BitLen() < minModulus {
					t.Errorf("%q: %d bits", id, k.N.BitLen())
				}
			case *ecdsa.PublicKey:
			default:
				t.Errorf("%q: %T", id, v.key)
			}
			if id == "" || len(v.algorithms) == 0 {
				t.Errorf("%q: %v", id, v.algorithms)
			}
		}
	})
}
