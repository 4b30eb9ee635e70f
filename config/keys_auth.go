package config

import (
	"math"
	"time"
)

var authKeys = []Key{
	{
		Name: "authenticationEnabled", Section: sectionAuth, Default: "false",
		Doc:  "Clients have to log in, in one of the ways that authenticationProviders names; others get 401.",
		kind: boolean(func(c *Config) *bool { return &c.AuthenticationEnabled }),
	},
	{
		Name: "authenticationProviders", Section: sectionAuth,
		Doc:  "The ways to log in, as Java class names separated by commas: org.apache.pulsar.broker.authentication.AuthenticationProviderToken (JSON web tokens), oidc.AuthenticationProviderOpenID (those of OpenID Connect issuers), AuthenticationProviderBasic (user and password) and AuthenticationProviderTls (the common name of a client certificate). A client picks one with the header X-Pulsar-Auth-Method-Name: token, basic or tls; else they are tried in this order.",
		kind: list(func(c *Config) *[]string { return &c.AuthenticationProviders }),
	},
	{
		Name: "anonymousUserRole", Section: sectionAuth,
		Doc:  "Role of clients that show no credentials at all. Empty: they are refused. Credentials that are wrong are refused in any case.",
		kind: text(func(c *Config) *string { return &c.AnonymousUserRole }),
	},
	{
		Name: "superUserRoles", Section: sectionAuth,
		Doc:  "Roles that may do everything and see the statistics, separated by commas.",
		kind: list(func(c *Config) *[]string { return &c.SuperUserRoles }),
	},
	{
		Name: "authenticationRefreshCheckSeconds", Section: sectionAuth, Default: "0",
		Doc:  "A client whose token runs out during its session is asked for a new one and has that many seconds to send it (PIP-292); else its session is closed. 0: a token is checked only when a session is opened, as in the Java proxy.",
		kind: seconds(func(c *Config) *time.Duration { return &c.AuthenticationRefreshCheck }, 0, day),
	},
	{
		Name: "tokenSecretKey", Section: sectionAuth, Secret: true,
		Doc:  "Secret that tokens are signed with (HS256, HS384, HS512), at least 32 bytes: data:;base64,…, file:///path, a path, or base64. A file is read again when it changes. Never printed.",
		kind: secretText(func(c *Config) *Secret { return &c.TokenSecretKey }),
	},
	{
		Name: "tokenPublicKey", Section: sectionAuth,
		Doc:  "Public key that tokens are checked with when there is no tokenSecretKey: an RSA or EC key in PKIX form, DER or PEM, given like the secret.",
		kind: file(func(c *Config) *string { return &c.TokenPublicKey }),
	},
	{
		Name: "tokenPublicAlg", Section: sectionAuth, Default: "RS256",
		Doc:  "What tokenPublicKey is for: RS256, RS384, RS512, PS256, PS384 or PS512 for an RSA key, ES256, ES384 or ES512 for an EC key.",
		kind: text(func(c *Config) *string { return &c.TokenPublicAlg }),
	},
	{
		Name: "tokenAuthClaim", Section: sectionAuth, Default: "sub",
		Doc:  "Claim of a token that holds the role: a string, or a list whose first element is taken.",
		kind: text(func(c *Config) *string { return &c.TokenAuthClaim }),
	},
	{
		Name: "tokenAudienceClaim", Section: sectionAuth,
		Doc:  "Claim of a token, such as aud, in which tokenAudience must be found. Empty: the audience is not checked.",
		kind: text(func(c *Config) *string { return &c.TokenAudienceClaim }),
	},
	{
		Name: "tokenAudience", Section: sectionAuth,
		Doc:  "The audience that a token must have been issued for; goes with tokenAudienceClaim.",
		kind: text(func(c *Config) *string { return &c.TokenAudience }),
	},
	{
		Name: "tokenAllowedClockSkewSeconds", Section: sectionAuth, Default: "0",
		Doc:  "Seconds by which the clock of a token's issuer may be off.",
		kind: seconds(func(c *Config) *time.Duration { return &c.TokenAllowedClockSkew }, 0, day),
	},
	{
		Name: "tokenSettingPrefix", Section: sectionAuth,
		Doc:  "Prefix of the names of the seven token keys above in this file: with my, mytokenSecretKey is used.",
		kind: text(func(c *Config) *string { return &c.TokenSettingPrefix }),
	},
	{
		Name: "basicAuthConf", Section: sectionAuth, Secret: true,
		Doc:  "File of users and password hashes as htpasswd writes it (apr1, crypt, bcrypt, SHA-256 and SHA-512 crypt, SSHA), given like tokenSecretKey. It is read again when it changes. Never printed.",
		kind: secretText(func(c *Config) *Secret { return &c.BasicAuthConf }),
	},
	{
		Name: "maxFailedLoginsPerAddress", Section: sectionAuth, Default: "100",
		Doc:  "Failed logins from one client address within a minute after which further failures get 429, and logins from there are checked after those from elsewhere. Clients behind one NAT count together, so the right credentials still get in. The exception is a user of Basic with that many wrong passwords from an address: no further password is checked for that user from there, except one that was right before. 0: no limit. A key of pulsegate alone.",
		kind: number(func(c *Config) *int { return &c.MaxFailedLoginsPerAddress }, 0, noLimit),
	},
	{
		Name: "authorizationEnabled", Section: sectionAuth, Default: "false",
		Doc:  "A client's role needs the permission for what it opens, as the brokers' admin API tells; others get 403. Needs authenticationEnabled=true and, unless it is found in ZooKeeper, serviceUrl. The role that pulsegate itself has at the brokers must be a super-user there, and one of their proxyRoles only with forwardOriginalPrincipal.",
		kind: boolean(func(c *Config) *bool { return &c.AuthorizationEnabled }),
	},
	{
		Name: "authorizationProvider", Section: sectionAuth, Default: pulsarAuthorization,
		Doc:  "Java class that decides what a role may do. This is the only one here.",
		kind: text(func(c *Config) *string { return &c.AuthorizationProvider }),
	},
	{
		Name: "authorizationAllowWildcardsMatching", Section: sectionAuth, Default: "false",
		Doc:  "In a permission, a * at the start or the end of the role stands for any characters.",
		kind: boolean(func(c *Config) *bool { return &c.AuthorizationAllowWildcards }),
	},
	{
		Name: "authorizationCacheMillis", Section: sectionAuth, Default: "10000",
		Doc:  "How long permissions are kept, in milliseconds. A session whose permission is revoked is closed within that time; a permission that is granted takes effect after a second at most. A key of pulsegate alone.",
		kind: millis(func(c *Config) *time.Duration { return &c.AuthorizationCache }, 100, math.MaxInt32),
	},
	{
		Name: "authorizeDefaultDeadLetterTopic", Section: sectionAuth, Default: "true",
		Doc:  "A consumer with maxRedeliverCount needs the permission to produce to its dead letter topic, also to the one named {topic}-{subscription}-DLQ when its client names none, as with Pulsar 5. false: the permission to consume is enough for that one, as with Pulsar 4.0, so that a client that may only consume can write to it. A key of pulsegate alone.",
		kind: boolean(func(c *Config) *bool { return &c.AuthorizeDeadLetters }),
	},
}

// tokenKeys are the keys that tokenSettingPrefix renames.
var tokenKeys = []string{
	"tokenSecretKey", "tokenPublicKey", "tokenPublicAlg", "tokenAuthClaim", "tokenAudienceClaim", "tokenAudience", "tokenAllowedClockSkewSeconds",
}
