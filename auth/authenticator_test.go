package auth

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

func everyMethod(t *testing.T, anonymous string) *Authenticator {
	t.Helper()
	a, err := NewAuthenticator(AuthenticatorOptions{
		Methods:       []string{MethodToken, MethodBasic, MethodTLS, MethodToken},
		Token:         TokenOptions{SecretKey: dataURL(secret), AuthClaim: "sub"},
		BasicConf:     dataURL([]byte("alice:" + apr1)),
		AnonymousRole: anonymous,
		Logger:        quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestWhichProviderIsAsked(t *testing.T) {
	token := "Bearer " + sign(jwt.SigningMethodHS256, secret, "sub", "tom")
	password := basicAuth("alice:secret").Authorization
	cert := &x509.Certificate{Subject: pkix.Name{CommonName: "cert"}}
	for name, tc := range map[string]struct {
		r         Request
		anonymous string
		role      string // "": refused
	}{
		"a token":                      {r: Request{Authorization: token}, role: "tom"},
		"a token by name":              {r: Request{Method: "token", Authorization: token}, role: "tom"},
		"a password":                   {r: Request{Authorization: password}, role: "alice"},
		"a password by name":           {r: Request{Method: "basic", Authorization: password}, role: "alice"},
		"a certificate":                {r: Request{PeerCertificate: cert}, role: "cert"},
		"a certificate behind a token": {r: Request{PeerCertificate: cert, Authorization: token}, role: "tom"},
		"a certificate by name":        {r: Request{Method: "tls", PeerCertificate: cert, Authorization: token}, role: "cert"},
		"a certificate, a wrong token": {r: Request{PeerCertificate: cert, Authorization: "Bearer x"}, role: "cert"},
		"a password where a token":     {r: Request{Method: "token", Authorization: password}},
		"no such method":               {r: Request{Method: "sasl", Authorization: token}, anonymous: "guest"},
		"nothing":                      {},
		"nothing, anonymous":           {anonymous: "guest", role: "guest"},
		"nothing, but a method":        {r: Request{Method: "token"}, anonymous: "guest"},
		"a wrong token, anonymous":     {r: Request{Authorization: "Bearer x"}, anonymous: "guest"},
		"an unknown scheme, anonymous": {r: Request{Authorization: "Digest x"}, anonymous: "guest"},
		"a bare token, anonymous":      {r: Request{Authorization: token[len("Bearer "):]}, anonymous: "guest"},
	} {
		who, err := everyMethod(t, tc.anonymous).Authenticate(t.Context(), &tc.r)
		if tc.role == "" && !errors.Is(err, ErrUnauthenticated) || tc.role != "" && err != nil || who.Role != tc.role {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
}

func TestCredentialsOfAnUpgrade(t *testing.T) {
	for _, tc := range []struct{ header, query, want string }{
		{"", "", ""},
		{"", "token=abc", "Bearer abc"},
		{"", "token=Bearer%20abc", "Bearer abc"},
		{"", "token=Bearer+abc&token=other", "Bearer abc"},
		{"Bearer head", "token=abc", "Bearer head"},
		{"Basic xyz", "token=abc", "Basic xyz"},
	} {
		r := &http.Request{Header: http.Header{}, URL: &url.URL{RawQuery: tc.query}}
		if tc.header != "" {
			r.Header.Set("Authorization", tc.header)
		}
		if got := FromUpgrade(r, netip.Addr{}).Authorization; got != tc.want {
			t.Errorf("%q, %q: %q", tc.header, tc.query, got)
		}
		if got := FromHTTP(r, netip.Addr{}).Authorization; got != tc.header {
			t.Errorf("the query of a page counts: %q", got)
		}
	}
}

func TestChallenge(t *testing.T) {
	if got := everyMethod(t, "").Challenge(); got != `Bearer realm="pulsegate", Basic realm="pulsegate"` {
		t.Error(got)
	}
}

func TestNoProviders(t *testing.T) {
	for _, methods := range [][]string{nil, {"sasl"}} {
		var fault *SettingError
		if _, err := NewAuthenticator(AuthenticatorOptions{Methods: methods}); !errors.As(err, &fault) || fault.Key != "authenticationProviders" {
			t.Errorf("%v: %v", methods, err)
		}
	}
}
