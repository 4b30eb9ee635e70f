package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The roles of a secured cluster that no permission is given to.
const (
	AdminRole   = "admin"   // a super-user of the brokers and the servers
	GatewayRole = "gateway" // the servers' own, a super-user of the brokers
)

// The keys of a secured cluster, new in each process.
var (
	secret    = []byte("conformance-secret-conformance-secret-conformance-secret-0123456")
	rsaKey    = must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey     = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	otherKey  = must(rsa.GenerateKey(rand.Reader, 2048))
	otherEC   = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	rsaPublic = must(x509.MarshalPKIXPublicKey(&rsaKey.PublicKey))
	ecPublic  = must(x509.MarshalPKIXPublicKey(&ecKey.PublicKey))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func dataURL(b []byte) string { return "data:;base64," + base64.StdEncoding.EncodeToString(b) }

const (
	providerPackage = "org.apache.pulsar.broker.authentication.AuthenticationProvider"
	clientToken     = "org.apache.pulsar.client.impl.auth.AuthenticationToken"
)

// users are alice with the password wonder (apr1) and bob with secret (crypt).
const users = "alice:$apr1$saltsalt$cFhJERcWi636wqNYRxSdw0\nbob:abNANd1rDfiNc\n"

// SecureBroker is what makes a broker demand tokens and permissions.
func SecureBroker() map[string]string {
	return map[string]string{
		"authenticationEnabled":                "true",
		"authenticationProviders":              providerPackage + "Token",
		"tokenSecretKey":                       dataURL(secret),
		"authorizationEnabled":                 "true",
		"superUserRoles":                       AdminRole + "," + GatewayRole,
		"brokerClientAuthenticationPlugin":     clientToken,
		"brokerClientAuthenticationParameters": "token:" + Token(AdminRole),
	}
}

// SecureServer is what the servers in front of such a broker have in common.
func SecureServer() Conf {
	return Conf{
		"authenticationEnabled":                "true",
		"authenticationProviders":              providerPackage + "Token," + providerPackage + "Basic",
		"tokenSecretKey":                       dataURL(secret),
		"basicAuthConf":                        dataURL([]byte(users)),
		"authorizationEnabled":                 "true",
		"superUserRoles":                       AdminRole,
		"brokerClientAuthenticationPlugin":     clientToken,
		"brokerClientAuthenticationParameters": "token:" + Token(GatewayRole),
		"authorizationCacheMillis":             "2000",
	}
}

func secureWith(more Conf) Conf {
	c := SecureServer()
	maps.Copy(c, more)
	return c
}

// The variants of secured servers.
var (
	secureConf = SecureServer()

	// rsaConf takes tokens of an RSA key for one audience, with the role in a
	// claim of its own, and a client's address from what stands in front.
	rsaConf = secureWith(Conf{
		"tokenSecretKey": "", "tokenPublicKey": dataURL(rsaPublic),
		"tokenAuthClaim": "role", "tokenAudienceClaim": "aud", "tokenAudience": "pulsar",
		"webServiceTrustXForwardedFor": "true",
	})

	// ecConf takes tokens of an EC key, lets in clients without any, knows
	// wildcards, and asks for new tokens during a session.
	ecConf = secureWith(Conf{
		"tokenSecretKey": "", "tokenPublicKey": dataURL(ecPublic), "tokenPublicAlg": "ES256",
		"anonymousUserRole": "guest", "authorizationAllowWildcardsMatching": "true",
		"authenticationRefreshCheckSeconds": "3",
	})
)

// Token returns a token of the cluster's secret for a role; further claims are
// given as pairs.
func Token(role string, pairs ...any) string {
	return signed(jwt.SigningMethodHS256, secret, append([]any{"sub", role}, pairs...)...)
}

func signed(method jwt.SigningMethod, key any, pairs ...any) string {
	claims := jwt.MapClaims{}
	for i := 0; i < len(pairs); i += 2 {
		claims[pairs[i].(string)] = pairs[i+1]
	}
	return must(jwt.NewWithClaims(method, claims).SignedString(key))
}

func ecToken(role string, pairs ...any) string {
	return signed(jwt.SigningMethodES256, ecKey, append([]any{"sub", role}, pairs...)...)
}

// at is a time for a token's claims.
func at(d time.Duration) int64 { return time.Now().Add(d).Unix() }

// Bearer is the header line that shows a token.
func Bearer(token string) string { return "Authorization: Bearer " + token }

func basic(userPassword string) string { return "Authorization: Basic " + b64(userPassword) }

// SecurityTable is the part of the suite that runs on a secured cluster.
func SecurityTable() []Area {
	areas := []Area{authenticationCases(), keyCases(), authorizationCases(), revocationCases(), renewalCases()}
	for i := range areas {
		for j := range areas[i].Cases {
			c := &areas[i].Cases[j]
			c.Skip = maps.Clone(c.Skip)
			if c.Skip == nil {
				c.Skip = map[Kind]string{}
			}
			c.Skip[Embedded] = "permissions are a broker's"
			if c.Conf == nil {
				c.Conf = secureConf
			}
		}
	}
	return areas
}

// Namespace makes a namespace of tenant public for the case and returns its
// path segments, such as public/ns.
func (t *T) Namespace() string {
	ns := fmt.Sprintf("public/sec-%s-%d", run, topicNumber.Add(1))
	t.admin("PUT", "/admin/v2/namespaces/"+ns, "{}")
	return ns
}

// Secured returns a new topic in a namespace of its own.
func (t *T) Secured() (Topic, string) {
	ns := t.Namespace()
	return t.TopicIn("persistent/" + ns), ns
}

// Allow gives a role permissions on a namespace.
func (t *T) Allow(ns, role, actions string) {
	t.admin("POST", "/admin/v2/namespaces/"+ns+"/permissions/"+role, actions)
}

// Revoke takes a role's permissions on a namespace.
func (t *T) Revoke(ns, role string) {
	t.admin("DELETE", "/admin/v2/namespaces/"+ns+"/permissions/"+role, "")
}

const both = `["produce","consume"]`

// role returns a role that no other case uses.
func (t *T) role() string { return fmt.Sprintf("role-%s-%d", run, topicNumber.Add(1)) }

// OpenAs opens a session with a token for the role.
func (t *T) OpenAs(role, target string) *Session { return t.Open(target, Bearer(Token(role))) }

// RefusedAs expects that a role is refused.
func (t *T) RefusedAs(status int, reason, role, target string) {
	t.RefusedWith(status, reason, Handshake{Target: target, Headers: []string{Bearer(Token(role))}})
}
