package config

import "time"

// openIDKeys are those of Pulsar's AuthenticationProviderOpenID.
var openIDKeys = []Key{
	{
		Name: "openIDAllowedTokenIssuers", Section: sectionAuth,
		Doc:  "OpenID Connect issuers whose tokens are accepted, separated by commas, exactly as in the tokens' claim iss. Their public keys are found through that address, followed by /.well-known/openid-configuration, when the first token arrives.",
		kind: list(func(c *Config) *[]string { return &c.OpenIDIssuers }),
	},
	{
		Name: "openIDAllowedAudiences", Section: sectionAuth,
		Doc:  "Audiences separated by commas: such a token must be for one of them (claim aud).",
		kind: list(func(c *Config) *[]string { return &c.OpenIDAudiences }),
	},
	{
		Name: "openIDRoleClaim", Section: sectionAuth, Default: "sub",
		Doc:  "Claim of such a token that holds the role: a string, or a list whose first element is taken.",
		kind: text(func(c *Config) *string { return &c.OpenIDRoleClaim }),
	},
	{
		Name: "openIDAcceptedTimeLeewaySeconds", Section: sectionAuth, Default: "0",
		Doc:  "Seconds by which an issuer's clock may be off.",
		kind: seconds(func(c *Config) *time.Duration { return &c.OpenIDLeeway }, 0, day),
	},
	{
		Name: "openIDTokenIssuerTrustCertsFilePath", Section: sectionAuth,
		Doc:  "PEM file with the certificate authorities that an issuer's certificate is checked against. It is read again whenever keys are fetched. Empty: those of the system.",
		kind: file(func(c *Config) *string { return &c.OpenIDTrustCertsFile }),
	},
	{
		Name: "openIDRequireIssuersUseHttps", Section: sectionAuth, Default: "true",
		Doc:  "Take keys over https only. false: only for trying out; an attacker on the way can then log in as anyone.",
		kind: boolean(func(c *Config) *bool { return &c.OpenIDRequireHTTPS }),
	},
	{
		Name: "openIDCacheRefreshAfterWriteSeconds", Section: sectionAuth, Default: "64800",
		Doc:  "Seconds after which an issuer's keys are fetched again when one of its tokens arrives. That token does not wait.",
		kind: seconds(func(c *Config) *time.Duration { return &c.OpenIDCacheRefresh }, 1, 365*day),
	},
	{
		Name: "openIDCacheExpirationSeconds", Section: sectionAuth, Default: "86400",
		Doc:  "Seconds after which keys that could not be fetched again are no longer used: tokens of that issuer then get 503. 0: a second.",
		kind: seconds(func(c *Config) *time.Duration { return &c.OpenIDCacheExpiration }, 0, 365*day),
	},
	{
		Name: "openIDKeyIdCacheMissRefreshSeconds", Section: sectionAuth, Default: "300",
		Doc:  "Minimum seconds between two fetches of an issuer's keys because a token names an unknown key, as the first token after a change does. 0: a second.",
		kind: seconds(func(c *Config) *time.Duration { return &c.OpenIDCacheMissRefresh }, 0, 365*day),
	},
	{
		Name: "openIDHttpConnectionTimeoutMillis", Section: sectionAuth, Default: "10000",
		Doc:  "How long a connection to an issuer may take to open, in milliseconds.",
		kind: millis(func(c *Config) *time.Duration { return &c.OpenIDConnectTimeout }, 1, 600_000),
	},
	{
		Name: "openIDHttpReadTimeoutMillis", Section: sectionAuth, Default: "10000",
		Doc:  "How long an issuer's whole answer may take after that, in milliseconds.",
		kind: millis(func(c *Config) *time.Duration { return &c.OpenIDReadTimeout }, 1, 600_000),
	},
	{
		Name: "openIDFallbackDiscoveryMode", Section: sectionAuth, Default: openIDNoFallback,
		Doc:  "What happens to a token from another issuer: DISABLED refuses it. The modes of the Java proxy that ask the API server of Kubernetes prevent the start: name the cluster's issuer in openIDAllowedTokenIssuers, and its authorities in openIDTokenIssuerTrustCertsFilePath.",
		kind: text(func(c *Config) *string { return &c.OpenIDFallback }),
	},
	{Name: "openIDCacheSize", Section: sectionAuth, Default: "5", Effect: WithoutEffect, kind: anything(),
		Doc: "Issuers whose keys the Java proxy keeps. Those of all openIDAllowedTokenIssuers are kept here.",
	},
}
