package auth

import (
	"crypto/x509"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// The names of the login methods, as header X-Pulsar-Auth-Method-Name has them.
const (
	MethodToken = "token"
	MethodBasic = "basic"
	MethodTLS   = "tls"
)

// methodHeader picks the provider, in the form of [http.CanonicalHeaderKey].
const methodHeader = "X-Pulsar-Auth-Method-Name"

// Request is what a client shows of itself.
type Request struct {
	// Method names the provider to ask; "": whichever finds its kind of credentials.
	Method string
	// Authorization is the header field of that name, or what stands for it.
	Authorization string
	// PeerCertificate is the client's certificate, if TLS has verified it.
	PeerCertificate *x509.Certificate
	// Address is where the client comes from, for counting failures.
	Address netip.Addr

	// What the gate makes of failures before.
	turn    turn // when the credentials are checked
	guessed bool // too many wrong passwords of this user came from this address
}

// FromHTTP reads the credentials of a request. Its certificate counts only when
// r.TLS holds a chain to a trusted authority.
func FromHTTP(r *http.Request, address netip.Addr) *Request {
	req := &Request{Method: r.Header.Get(methodHeader), Authorization: r.Header.Get("Authorization"), Address: address}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 && len(r.TLS.PeerCertificates) > 0 {
		req.PeerCertificate = r.TLS.PeerCertificates[0]
	}
	return req
}

// FromUpgrade is [FromHTTP] for a WebSocket handshake: browsers cannot set
// header fields, so there the query's parameter token counts, too, with or without
// "Bearer " in front. The header field goes first.
func FromUpgrade(r *http.Request, address netip.Addr) *Request {
	req := FromHTTP(r, address)
	if _, set := r.Header["Authorization"]; !set {
		if token := r.URL.Query().Get("token"); token != "" {
			req.Authorization = bearer(token)
		}
	}
	return req
}

const bearerPrefix = "Bearer "

// bearer puts the scheme in front of a token that may have it already.
func bearer(token string) string {
	if strings.HasPrefix(token, bearerPrefix) {
		return token
	}
	return bearerPrefix + token
}

// scheme returns what follows the name of an authentication scheme, which is
// not case-sensitive (RFC 9110 section 11.1).
func (r *Request) scheme(name string) (credentials string, ok bool) {
	got, rest, found := strings.Cut(r.Authorization, " ")
	if !found || !strings.EqualFold(got, name) {
		return "", false
	}
	return strings.TrimLeft(rest, " "), true
}

// credentials are what of the request shows that the client is who.
func (r *Request) credentials(who *Principal) Credentials {
	k := Credentials{Method: who.Method, Expires: who.Expires}
	switch who.Method {
	case MethodToken:
		k.Data, _ = r.scheme("Bearer")
	case MethodBasic:
		if user, password, ok := r.userPassword(); ok {
			k.Data = user + ":" + password
		}
	}
	return k
}

// Principal is who a client is.
type Principal struct {
	Role   string
	Method string // "" for a client that showed nothing
	// Expires is when the credentials run out; zero: never.
	Expires time.Time
}
