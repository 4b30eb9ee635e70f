package config

import (
	"strings"
	"testing"
	"time"
)

const openIDOn = "authenticationEnabled=true\nauthenticationProviders=" + ProviderOpenID + "\n"

func TestContradictionsInOpenID(t *testing.T) {
	const good = openIDOn + "openIDAllowedAudiences=a\nopenIDAllowedTokenIssuers="
	for _, tc := range []struct {
		file  string
		parts []string
	}{
		{openIDOn, []string{"openIDAllowedTokenIssuers", "openIDAllowedAudiences"}},
		{openIDOn + "openIDAllowedTokenIssuers=,", []string{"openIDAllowedTokenIssuers"}},
		{good + "https://a,http://b", []string{"t.conf:4", "http://b", "openIDRequireIssuersUseHttps"}},
		{good + "issuer", []string{"t.conf:4", "issuer", "https://issuer.example.com"}},
		{good + "ftp://a", []string{"t.conf:4", "ftp://a"}},
		{good + "https://me:secret@a", []string{"t.conf:4", "on a ", "password"}},
		{good + "https://a?b", []string{"t.conf:4", "query"}},
		{good + "https://a\nopenIDFallbackDiscoveryMode=KUBERNETES_DISCOVER_PUBLIC_KEYS", []string{"t.conf:5", "KUBERNETES_DISCOVER_PUBLIC_KEYS", "DISABLED", "openIDTokenIssuerTrustCertsFilePath"}},
		{good + "https://a\nopenIDAcceptedTimeLeewaySeconds=x", []string{"t.conf:5", "openIDAcceptedTimeLeewaySeconds"}},
		{good + "https://a\nopenIDCacheRefreshAfterWriteSeconds=0", []string{"t.conf:5", "from 1 to"}},
	} {
		_, _, err := parse("t.conf", []byte(tc.file), nil, nil)
		wantError(t, err, tc.parts...)
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
	// What is not used may say anything, as in the Java proxy.
	mustParse(t, "openIDFallbackDiscoveryMode=KUBERNETES_DISCOVER_PUBLIC_KEYS\nopenIDAllowedTokenIssuers=x\n")
	c, notices := mustParse(t, good+"https://a,https://b/\nauthenticationRefreshCheckSeconds=60")
	if len(notices) != 0 || len(c.OpenIDIssuers) != 2 || c.OpenIDRoleClaim != "sub" || !c.OpenIDRequireHTTPS ||
		c.OpenIDCacheRefresh != 18*time.Hour || c.OpenIDCacheExpiration != 24*time.Hour || c.OpenIDCacheMissRefresh != 5*time.Minute {
		t.Errorf("%+v %v", c, notices)
	}
	_, notices = mustParse(t, good+"http://a\nopenIDRequireIssuersUseHttps=false")
	if len(notices) != 1 || notices[0].Kind != Risky || notices[0].Key != "openIDAllowedTokenIssuers" {
		t.Error(notices)
	}
}
