package conformance

import (
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	unauthenticated = "Failed to authenticate"
	notAuthorized   = "Not authorized"
)

func authenticationCases() Area {
	refused := func(id, text string, header func() []string) Case {
		return Case{ID: "login/" + id, Text: text + " is 401", Run: func(t *T) {
			t.RefusedWith(401, unauthenticated, Handshake{Target: ProducerPath("persistent/public/default/t"), Headers: header()})
		}}
	}
	opens := func(id, text string, target string, header func() []string) Case {
		return Case{ID: "login/" + id, Text: text, Run: func(t *T) {
			topic := t.Topic()
			t.Allow("public/default", "alice", both)
			t.Allow("public/default", "bob", both)
			query := target
			if query != "" {
				query = "?" + query
			}
			t.Open(ProducerPath(topic)+query, header()...).Publish("x")
		}}
	}
	token := func(token string) func() []string { return func() []string { return []string{Bearer(token)} } }
	none := func() []string { return nil }
	with := func(lines ...string) func() []string { return func() []string { return lines } }
	good := Token(AdminRole)
	parts := strings.Split(good, ".")
	forged := parts[0] + "." + strings.TrimRight(b64(`{"sub":"`+AdminRole+`","x":1}`), "=") + "." + parts[2]
	return Area{Name: "Security: logging in", Cases: []Case{
		opens("token-header", "a token in the header Authorization opens a session", "", token(good)),
		opens("token-query", "a token in the query opens a session", "token="+good, none),
		opens("token-query-bearer", "a token in the query may have Bearer in front", "token=Bearer%20"+good, none),
		opens("token-header-first", "the header counts more than the query", "token=garbage", token(good)),
		opens("token-by-name", "X-Pulsar-Auth-Method-Name: token picks the provider", "", with("X-Pulsar-Auth-Method-Name: token", Bearer(good))),
		opens("basic", "a user and a password (apr1) open a session", "", with(basic("alice:wonder"))),
		opens("basic-crypt", "a user and a password (crypt) open a session", "", with(basic("bob:secret"))),
		opens("basic-by-name", "X-Pulsar-Auth-Method-Name: basic picks the provider", "", with("X-Pulsar-Auth-Method-Name: basic", basic("alice:wonder"))),
		opens("not-expired", "a token that runs out later opens a session", "", token(Token(AdminRole, "exp", at(time.Hour), "nbf", at(-time.Hour)))),
		opens("role-list", "of a list of roles the first counts", "", token(signed(jwt.SigningMethodHS256, secret, "sub", []string{AdminRole, "x"}))),
		opens("hs512", "a token signed with HS512 opens a session", "", token(signed(jwt.SigningMethodHS512, secret, "sub", AdminRole))),
		refused("nothing", "a client without credentials", none),
		refused("query-not-first", "a garbage token in the header, whatever the query holds,", token("garbage")),
		refused("expired", "a token that has expired", token(Token(AdminRole, "exp", at(-time.Minute)))),
		refused("not-yet", "a token that is not valid yet", token(Token(AdminRole, "nbf", at(time.Hour)))),
		refused("wrong-key", "a token signed with another secret", token(signed(jwt.SigningMethodHS256, []byte(strings.Repeat("x", 64)), "sub", AdminRole))),
		refused("none", "a token with alg none", token(signed(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "sub", AdminRole))),
		refused("forged", "a token whose claims were changed", token(forged)),
		refused("unsigned", "a token whose signature was cut off", token(parts[0]+"."+parts[1]+".")),
		refused("malformed", "what is no token", token("a.b")),
		refused("rsa-token", "an RSA token where an HMAC secret is configured", token(signed(jwt.SigningMethodRS256, rsaKey, "sub", AdminRole))),
		refused("basic-wrong", "a wrong password", with(basic("alice:wonders"))),
		refused("basic-unknown", "an unknown user", with(basic("mallory:wonder"))),
		refused("basic-garbage", "garbage where a user and a password should be", with("Authorization: Basic %%%")),
		refused("other-scheme", "another scheme", with("Authorization: Digest "+good)),
		refused("method-unknown", "a method that is not configured", with("X-Pulsar-Auth-Method-Name: sasl", Bearer(good))),
		refused("method-mismatch", "a token where X-Pulsar-Auth-Method-Name says basic", with("X-Pulsar-Auth-Method-Name: basic", Bearer(good))),
		{ID: "login/no-role", Text: "a token without a role is 401", Better: "Java lets it log in without a name: 403", Run: func(t *T) {
			t.RefusedWith(401, unauthenticated, Handshake{Target: ProducerPath("persistent/public/default/t"), Headers: []string{Bearer(signed(jwt.SigningMethodHS256, secret, "name", "x"))}})
		}},
		{ID: "login/every-path", Text: "every kind of session on every version of the API asks for credentials", Run: func(t *T) {
			for _, target := range []string{
				ProducerPath("persistent/public/default/t"), ConsumerPath("persistent/public/default/t", "s"), ReaderPath("persistent/public/default/t"),
				ProducerPath("persistent/no-such-tenant/ns/t"), "/ws/v3/consumer/s?topics=a,b", "/ws/v3/consumer/s?topicsPattern=public/default/x.*",
				"/ws/producer/persistent/public/standalone/ns/t", "/ws/consumer/persistent/public/standalone/ns/t/s", "/ws/reader/persistent/public/standalone/ns/t",
			} {
				t.Refused(401, unauthenticated, target)
			}
		}},
		{ID: "login/json-body", Text: "a refusal's body is JSON, and the header WWW-Authenticate says what is accepted", Better: "Java sends an HTML page", Run: func(t *T) {
			c, resp, body := t.do(Handshake{Target: ProducerPath("persistent/public/default/t")})
			c.Kill()
			if resp.StatusCode != 401 || match(string(body), `{"reason":"~Failed to authenticate"}`) != nil || !strings.Contains(resp.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Fatalf("status %d, %v, %s", resp.StatusCode, resp.Header, shorten(body))
			}
		}},
		{ID: "login/statistics", Text: "the statistics are for super-users: 401 for others", Run: func(t *T) {
			role := t.role()
			for _, page := range []string{proxyStats + "stats", proxyStats + "metrics", "/admin/proxy-stats/stats"} {
				for header, want := range map[string]int{"": 401, Bearer(Token(role)): 401, Bearer("garbage"): 401, Bearer(Token(AdminRole)): 200} {
					t.Eventually("the page is answered", func() bool { // Java's is 500 while sessions come and go
						status := t.getAs(page, header)
						if status != want && status != 500 {
							t.Fatalf("%s with %q: status %d, want %d", page, header, status, want)
						}
						return status == want
					})
				}
			}
		}},
		{ID: "login/topic-statistics", Text: "a topic's statistics are for super-users and for roles that may use the topic", Run: func(t *T) {
			topic, ns := t.Secured()
			reader, stranger := t.role(), t.role()
			t.Allow(ns, reader, `["consume"]`)
			t.OpenAs(reader, ReaderPath(topic)).Fence()
			page := proxyStats + string(topic) + "/stats"
			for header, want := range map[string]int{Bearer(Token(AdminRole)): 200, Bearer(Token(reader)): 200, Bearer(Token(stranger)): 401, "": 401} {
				if status := t.getAs(page, header); status != want {
					t.Fatalf("with %q: status %d, want %d", header, status, want)
				}
			}
		}},
		{ID: "login/health-is-open", Text: "/healthz, /readyz and /metrics ask for no credentials", Better: "the Java proxy has none of them", Run: func(t *T) {
			for _, page := range []string{"/healthz", "/readyz", "/metrics"} {
				if status := t.getAs(page, ""); status != 200 {
					t.Fatalf("%s: status %d", page, status)
				}
			}
		}},
	}}
}

// getAs reads a page with a header line and returns the status.
func (t *T) getAs(path, header string) int {
	req, err := http.NewRequestWithContext(t.ctx, "GET", t.Endpoint.HTTP+path, nil)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	if name, value, ok := strings.Cut(header, ": "); ok {
		req.Header.Set(name, value)
	}
	status, _ := t.roundTrip(req)
	return status
}

// keyCases are about tokens of public keys.
func keyCases() Area {
	claims := func(role string, more ...any) []any { return append([]any{"role", role, "aud", "pulsar"}, more...) }
	opens := func(id, text string, conf Conf, token string) Case {
		return Case{ID: "key/" + id, Text: text, Conf: conf, Run: func(t *T) {
			t.Open(ProducerPath(t.Topic()), Bearer(token)).Publish("x")
		}}
	}
	refused := func(id, text string, conf Conf, token string) Case {
		return Case{ID: "key/" + id, Text: text + " is 401", Conf: conf, Run: func(t *T) {
			t.RefusedWith(401, unauthenticated, Handshake{Target: ProducerPath("persistent/public/default/t"), Headers: []string{Bearer(token)}})
		}}
	}
	return Area{Name: "Security: tokens of public keys", Cases: []Case{
		opens("rs256", "RS256, the role in a claim of its own, the right audience", rsaConf, signed(jwt.SigningMethodRS256, rsaKey, claims(AdminRole)...)),
		opens("rs512", "RS512 with the same key", rsaConf, signed(jwt.SigningMethodRS512, rsaKey, claims(AdminRole)...)),
		opens("audiences", "one of several audiences is the right one", rsaConf, signed(jwt.SigningMethodRS256, rsaKey, "role", AdminRole, "aud", []string{"x", "pulsar"})),
		opens("es256", "ES256", ecConf, ecToken(AdminRole)),
		refused("rsa-other-key", "a token of another RSA key", rsaConf, signed(jwt.SigningMethodRS256, otherKey, claims(AdminRole)...)),
		refused("rsa-as-secret", "a token signed with the RSA public key as an HMAC secret", rsaConf, signed(jwt.SigningMethodHS256, rsaPublic, claims(AdminRole)...)),
		refused("rsa-none", "alg none where an RSA key is configured", rsaConf, signed(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(AdminRole)...)),
		refused("rsa-ec-token", "an EC token where an RSA key is configured", rsaConf, signed(jwt.SigningMethodES256, ecKey, claims(AdminRole)...)),
		refused("audience-other", "a token for another audience", rsaConf, signed(jwt.SigningMethodRS256, rsaKey, "role", AdminRole, "aud", "x")),
		refused("audience-none", "a token for no audience", rsaConf, signed(jwt.SigningMethodRS256, rsaKey, "role", AdminRole)),
		{ID: "key/flood", Text: "a right token opens a session however many from its address were forged", Conf: rsaConf, Run: func(t *T) {
			topic := t.Topic()
			from := func(token string) Handshake {
				return Handshake{Target: ProducerPath(topic), Headers: []string{Bearer(token), "X-Forwarded-For: 203.0.113.7"}}
			}
			for i := range 120 {
				c, resp, _ := t.do(from(signed(jwt.SigningMethodRS256, otherKey, claims(AdminRole, "jti", i)...)))
				c.Kill()
				if resp.StatusCode != 401 && resp.StatusCode != 429 {
					t.Fatalf("status %d", resp.StatusCode)
				}
			}
			t.OpenWith(from(signed(jwt.SigningMethodRS256, rsaKey, claims(AdminRole)...))).Publish("x")
		}},
		{ID: "key/anonymous", Text: "a client without credentials has the role anonymousUserRole", Conf: ecConf, Run: func(t *T) {
			topic, ns := t.Secured()
			t.Refused(403, notAuthorized, ProducerPath(topic))
			t.Allow(ns, "guest", `["produce"]`)
			t.Eventually("it counts", func() bool { return t.status(ProducerPath(topic)) == 101 })
			t.Refused(403, notAuthorized, ConsumerPath(topic, "s"))
		}},
		{ID: "key/anonymous-not-instead", Text: "wrong credentials are 401 although anonymous clients are let in", Better: "Java lets a client with wrong credentials in as the anonymous one", Conf: ecConf, Run: func(t *T) {
			topic, ns := t.Secured()
			t.Allow(ns, "guest", both)
			t.Eventually("it counts", func() bool { return t.status(ProducerPath(topic)) == 101 })
			for _, token := range []string{"garbage", ecToken(AdminRole, "exp", at(-time.Minute)), signed(jwt.SigningMethodES256, otherEC, "sub", AdminRole)} {
				t.RefusedWith(401, unauthenticated, Handshake{Target: ProducerPath(topic), Headers: []string{Bearer(token)}})
			}
		}},
	}}
}
