package config

import (
	"fmt"
	"net/url"
	"strings"
)

// openIDNoFallback is the value of openIDFallbackDiscoveryMode that asks for nothing.
const openIDNoFallback = "DISABLED"

// settleOpenID checks the keys of AuthenticationProviderOpenID, which is used.
func (c *Config) settleOpenID() (notices []Notice, errs []error) {
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	const issuers = "openIDAllowedTokenIssuers"
	if len(c.OpenIDIssuers) == 0 {
		fault("AuthenticationProviderOpenID needs %s", issuers)
	}
	if len(c.OpenIDAudiences) == 0 {
		fault("AuthenticationProviderOpenID needs openIDAllowedAudiences")
	}
	plain := false
	for _, issuer := range c.OpenIDIssuers {
		u, err := url.Parse(issuer)
		switch {
		case err != nil || u.Host == "" || u.Scheme != schemeHTTP && u.Scheme != schemeHTTPS:
			fault("%s (%s): %q is not a URL such as https://issuer.example.com", issuers, c.source(issuers), issuer)
		case u.User != nil:
			fault("%s (%s): the URL on %s must not hold a user or password", issuers, c.source(issuers), u.Host)
		case u.RawQuery != "" || u.Fragment != "":
			fault("%s (%s): %q must have no query and no fragment", issuers, c.source(issuers), issuer)
		case u.Scheme == schemeHTTP && c.OpenIDRequireHTTPS:
			fault("%s (%s): %s does not use https; only for trying out, set openIDRequireIssuersUseHttps=false", issuers, c.source(issuers), issuer)
		case u.Scheme == schemeHTTP:
			plain = true
		}
	}
	if plain {
		notices = append(notices, Notice{Kind: Risky, Key: issuers, Source: c.source(issuers),
			Text: "keys come over http: who is in between can log in as anyone"})
	}
	if key := "openIDFallbackDiscoveryMode"; !strings.EqualFold(c.OpenIDFallback, openIDNoFallback) {
		fault("%s=%s (%s): only %s is supported here: name the issuer of the Kubernetes cluster in %s, with its authorities in openIDTokenIssuerTrustCertsFilePath",
			key, c.OpenIDFallback, c.source(key), openIDNoFallback, issuers)
	}
	return notices, errs
}
