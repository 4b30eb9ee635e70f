package config

import (
	"strings"
	"testing"
)

const loginOn = "authenticationEnabled=true\nauthenticationProviders=" + ProviderToken + "\ntokenSecretKey=data:;base64,aGVsbG8=\n"

func TestContradictionsInAccess(t *testing.T) {
	for _, tc := range []struct {
		file  string
		parts []string
	}{
		{"authorizationEnabled=true", []string{"authorizationEnabled", "t.conf:1", "authenticationEnabled=true"}},
		{"authenticationEnabled=TRUE", []string{"t.conf:1", "authenticationProviders", "AuthenticationProviderToken"}},
		{"authenticationEnabled=true\nauthenticationProviders=com.example.Kerberos", []string{"t.conf:2", "com.example.Kerberos", "AuthenticationProviderTls"}},
		{"authenticationEnabled=true\nauthenticationProviders=" + ProviderToken, []string{"tokenSecretKey or tokenPublicKey"}},
		{"authenticationEnabled=true\nauthenticationProviders=" + ProviderBasic, []string{"basicAuthConf"}},
		{"authenticationEnabled=true\nauthenticationProviders=" + ProviderTLS, []string{"AuthenticationProviderTls", "webServicePortTls", "tlsTrustCertsFilePath"}},
		{loginOn + "tokenAudienceClaim=aud", []string{"t.conf:4", "tokenAudience"}},
		{"forwardOriginalPrincipal=true", []string{"forwardOriginalPrincipal", "t.conf:1", "authenticationEnabled"}},
		{loginOn + "authorizationEnabled=true\nauthorizationProvider=com.example.Own", []string{"com.example.Own", "t.conf:5"}},
	} {
		_, _, err := parse("t.conf", []byte(tc.file), nil, nil)
		wantError(t, err, tc.parts...)
		if err != nil && strings.Contains(err.Error(), "aGVsbG8") {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}

func TestWhatCountsForNothingInAccess(t *testing.T) {
	for file, want := range map[string]struct {
		key  string
		kind NoticeKind
	}{
		"authenticationProviders=com.example.Kerberos":                            {"authenticationProviders", Ignored},
		loginOn + "tokenPublicKey=/p":                                             {"tokenPublicKey", Ignored},
		loginOn + "forwardAuthorizationCredentials=true":                          {"forwardAuthorizationCredentials", Ignored},
		loginOn + "tokenAudience=me":                                              {"tokenAudience", Ignored},
		loginOn + "anonymousUserRole=a\nsuperUserRoles=b,a":                       {"anonymousUserRole", Risky},
		loginOn + "tokenSettingPrefix=my\nmytokenSecretKey=data:;base64,aGVsbG8=": {"tokenSecretKey", Ignored},
	} {
		_, notices := mustParse(t, file)
		if got := kindsOf(notices); len(notices) != 1 || got[want.key] != want.kind {
			t.Errorf("%q: notices %v", file, notices)
		}
	}
	if _, notices := mustParse(t, loginOn); len(notices) != 0 {
		t.Errorf("notices %v", notices)
	}
}

// As with the Java proxy a prefix renames the token keys, and only them.
func TestTokenSettingPrefix(t *testing.T) {
	c, notices := mustParse(t, "authenticationEnabled=true\nauthenticationProviders="+ProviderToken+
		"\ntokenSettingPrefix=my\nmytokenSecretKey=file:///s\nmytokenAuthClaim=role", "mytokenAudience=me", "mytokenAudienceClaim=aud")
	if c.TokenSecretKey != "file:///s" || c.TokenAuthClaim != "role" || c.TokenAudience != "me" || c.TokenAudienceClaim != "aud" {
		t.Errorf("%+v", c)
	}
	if len(notices) != 0 {
		t.Errorf("notices %v", notices)
	}
	_, _, err := parse("t.conf", []byte("tokenSettingPrefix=my\nmysuperUserRoles=x"), nil, nil)
	wantError(t, err, "mysuperUserRoles (t.conf:2)", "superUserRoles")
}

func TestAuthorizationNeedsTheAdminAPI(t *testing.T) {
	on := loginOn + "authorizationEnabled=true\n"
	for _, tc := range []struct {
		file string
		ok   bool
	}{
		{"brokerServiceUrl=pulsar://b:6650", false},
		{"brokerServiceUrl=pulsar://b:6650\nserviceUrl=http://b:8080", true},
		{"serviceUrl=http://b:8080", true},
		{"brokerServiceUrl=http://b:8080", true},
		{"brokerClientTlsEnabled=true\nbrokerServiceUrlTls=pulsar+ssl://b:6651\nserviceUrl=http://b:8080", false},
		{"clusterName=c\nglobalZookeeperServers=z", true},
		{"brokerServiceUrl=pulsar://b:6650\nclusterName=c\nconfigurationMetadataStoreUrl=zk:z", true},
		{"brokerServiceUrl=pulsar://b:6650\nconfigurationMetadataStoreUrl=zk:z", false},
		{"brokerServiceUrl=pulsar://b:6650\nclusterName=c\nconfigurationMetadataStoreUrl=oxia://o:6648", false},
	} {
		c, _ := mustParse(t, on+tc.file)
		err := c.RequireCluster()
		if tc.ok && err != nil {
			t.Errorf("%q: %v", tc.file, err)
		} else if !tc.ok {
			wantError(t, err, "authorizationEnabled", "serviceUrl")
		}
	}
}

// The store is asked for the admin API only if authorization needs it and no address is its own.
func TestAdminFromStore(t *testing.T) {
	const base = "brokerServiceUrl=pulsar://b:6650\nclusterName=c\nconfigurationMetadataStoreUrl=zk:z\n"
	for file, want := range map[string]bool{
		base: false,
		base + loginOn + "authorizationEnabled=true":                            true,
		base + loginOn + "authorizationEnabled=true\nserviceUrl=http://b:8080":  false,
		base + loginOn + "authorizationEnabled=true\nbrokerServiceUrl=http://b": false,
		base + loginOn + "authorizationEnabled=true\nbrokerServiceUrl=":         false,
	} {
		if c, _ := mustParse(t, file); c.AdminFromStore() != want {
			t.Errorf("%q: %v", file, !want)
		}
	}
}
