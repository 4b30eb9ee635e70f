package config

import (
	"fmt"
	"slices"
	"strings"
)

const (
	providerPackage     = "org.apache.pulsar.broker.authentication."
	pulsarAuthorization = "org.apache.pulsar.broker.authorization.PulsarAuthorizationProvider"
)

// The ways for clients to log in, by the Java class that names them.
const (
	ProviderToken  = providerPackage + "AuthenticationProviderToken"
	ProviderOpenID = providerPackage + "oidc.AuthenticationProviderOpenID"
	ProviderBasic  = providerPackage + "AuthenticationProviderBasic"
	ProviderTLS    = providerPackage + "AuthenticationProviderTls"
)

var providers = []string{ProviderToken, ProviderOpenID, ProviderBasic, ProviderTLS}

// settleProviders drops the login by certificate where no client can show one that is
// trusted and there are other logins: files made by charts name it beside the token's.
func (c *Config) settleProviders() []Notice {
	if !c.AuthenticationEnabled || len(c.AuthenticationProviders) < 2 || !slices.Contains(c.AuthenticationProviders, ProviderTLS) {
		return nil
	}
	var reason string
	switch {
	case c.WebServicePortTLS == NoPort:
		reason = "clients show certificates only on webServicePortTls, which is not set"
	case c.trust() == "":
		reason = "without tlsTrustCertsFilePath, or tlsTrustStore with tlsEnabledWithKeyStore=true, no client certificate is trusted"
	default:
		return nil
	}
	c.AuthenticationProviders = slices.DeleteFunc(slices.Clone(c.AuthenticationProviders), func(p string) bool { return p == ProviderTLS })
	return []Notice{{Kind: Ignored, Key: "authenticationProviders", Source: c.source("authenticationProviders"),
		Text: "AuthenticationProviderTls logs nobody in: " + reason}}
}

// settleAccess says what contradicts itself in who may connect, and on what.
// Nothing is read here that the values name.
func (c *Config) settleAccess() (notices []Notice, errs []error) {
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	ignored := func(key, text string) {
		if c.source(key) != (Source{}) {
			notices = append(notices, Notice{Kind: Ignored, Key: key, Source: c.source(key), Text: text})
		}
	}
	if c.AuthorizationEnabled && !c.AuthenticationEnabled {
		fault("authorizationEnabled=true (%s) needs authenticationEnabled=true: a client without a name has no permissions", c.source("authorizationEnabled"))
	}
	if c.AuthorizationEnabled && c.AuthorizationProvider != pulsarAuthorization {
		fault("authorizationProvider=%s (%s): only %s is supported", c.AuthorizationProvider, c.source("authorizationProvider"), pulsarAuthorization)
	}
	if c.ForwardOriginalPrincipal && !c.AuthenticationEnabled {
		fault("forwardOriginalPrincipal=true (%s) needs authenticationEnabled=true: a client without a name has no role to tell", c.source("forwardOriginalPrincipal"))
	}
	if c.ForwardAuthorizationCredentials && !c.ForwardOriginalPrincipal {
		ignored("forwardAuthorizationCredentials", "it counts only together with forwardOriginalPrincipal=true")
	}
	if !c.AuthenticationEnabled {
		if len(c.AuthenticationProviders) > 0 {
			ignored("authenticationProviders", "authenticationEnabled is false: nobody has to log in")
		}
		return notices, errs
	}
	if len(c.AuthenticationProviders) == 0 {
		fault("authenticationEnabled=true (%s) needs authenticationProviders, such as %s", c.source("authenticationEnabled"), ProviderToken)
	}
	from := c.source("authenticationProviders")
	for _, p := range c.AuthenticationProviders {
		if !slices.Contains(providers, p) {
			fault("authenticationProviders (%s): %s is not one of %s", from, p, strings.Join(providers, ", "))
		}
	}
	has := func(p string) bool { return slices.Contains(c.AuthenticationProviders, p) }
	if has(ProviderToken) {
		switch {
		case c.TokenSecretKey == "" && c.TokenPublicKey == "":
			fault("authenticationProviders (%s): AuthenticationProviderToken needs tokenSecretKey or tokenPublicKey", from)
		case c.TokenSecretKey != "" && c.TokenPublicKey != "":
			ignored("tokenPublicKey", "tokenSecretKey is set, too, and counts")
		}
		if c.TokenAudienceClaim != "" && c.TokenAudience == "" {
			fault("tokenAudienceClaim=%s (%s) needs tokenAudience", c.TokenAudienceClaim, c.source("tokenAudienceClaim"))
		}
		if c.TokenAudience != "" && c.TokenAudienceClaim == "" {
			ignored("tokenAudience", "it counts only together with tokenAudienceClaim")
		}
	} else if c.AuthenticationRefreshCheck > 0 && !has(ProviderOpenID) {
		ignored("authenticationRefreshCheckSeconds", "only tokens run out, and neither AuthenticationProviderToken nor AuthenticationProviderOpenID is among the authenticationProviders")
	}
	if has(ProviderOpenID) {
		n, faults := c.settleOpenID()
		notices, errs = append(notices, n...), append(errs, faults...)
	}
	if has(ProviderTLS) && c.WebServicePortTLS == NoPort {
		fault("authenticationProviders (%s): AuthenticationProviderTls needs webServicePortTls: only there clients show certificates", from)
	}
	if has(ProviderTLS) && c.trust() == "" {
		fault("authenticationProviders (%s): AuthenticationProviderTls needs tlsTrustCertsFilePath, or tlsTrustStore with tlsEnabledWithKeyStore=true: else no certificate is trusted", from)
	}
	if has(ProviderBasic) && c.BasicAuthConf == "" {
		fault("authenticationProviders (%s): AuthenticationProviderBasic needs basicAuthConf", from)
	}
	if c.AnonymousUserRole != "" && slices.Contains(c.SuperUserRoles, c.AnonymousUserRole) {
		notices = append(notices, Notice{Kind: Risky, Key: "anonymousUserRole", Source: c.source("anonymousUserRole"),
			Text: "it is one of the superUserRoles: everyone may do everything"})
	}
	return notices, errs
}

// unprefixed gives the token keys their names in the table, where they are written with
// the prefix that tokenSettingPrefix names. Those without it then do not count.
func unprefixed(layers [][]entry) (renamed [][]entry, prefix string, notices []Notice) {
	const key = "tokenSettingPrefix"
	for _, layer := range layers {
		for _, e := range layer {
			if e.name == key {
				prefix = e.value
			}
		}
	}
	if prefix == "" {
		return layers, "", nil
	}
	rename := func(entries []entry) (out []entry) {
		for _, e := range entries {
			plain, prefixed := strings.CutPrefix(e.name, prefix)
			switch {
			case prefixed && slices.Contains(tokenKeys, plain):
				e.name = plain
			case slices.Contains(tokenKeys, e.name):
				notices = append(notices, Notice{Kind: Ignored, Key: e.name, Source: e.source,
					Text: fmt.Sprintf("with %s=%s, %s%s is what counts", key, prefix, prefix, e.name)})
				continue
			}
			out = append(out, e)
		}
		return out
	}
	for _, layer := range layers {
		renamed = append(renamed, rename(layer))
	}
	return renamed, prefix, notices
}

// AdminURL is where the brokers' admin API is configured to answer, "" if it is
// not: the cluster may still be looked up in the configuration store.
func (c *Config) AdminURL() string {
	urls := []string{c.ServiceURL, c.BrokerServiceURL}
	if c.BrokerClientTLSEnabled {
		urls = []string{c.ServiceURLTLS, c.BrokerServiceURLTLS}
	}
	for _, url := range urls {
		if strings.HasPrefix(url, schemeHTTP+"://") || strings.HasPrefix(url, schemeHTTPS+"://") {
			return url
		}
	}
	return c.BrokerWebServiceURL
}
