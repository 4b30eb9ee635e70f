package config

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestTableIsSound(t *testing.T) {
	seen := make(map[string]bool)
	for _, k := range Keys() {
		for _, a := range k.names() {
			if seen[a.Name] {
				t.Errorf("%s is in the table twice", a.Name)
			}
			seen[a.Name] = true
		}
		if k.kind.set == nil || k.kind.accepts == "" {
			t.Errorf("%s has no kind", k.Name)
		}
		if len(k.Doc) < 30 || !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s is not explained: %q", k.Name, k.Doc)
		}
	}
}

// The file in the repository is what the table says, word for word.
func TestStockFile(t *testing.T) {
	got, err := os.ReadFile(filepath.Join("..", "conf", "websocket.conf"))
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := WriteDefaults(&want); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("conf/websocket.conf is not up to date: go run ./cmd/pulsegate config defaults >conf/websocket.conf")
	}
}

// With every # removed the explained file says the same as no file at all.
func TestExplainedFileHoldsTheDefaults(t *testing.T) {
	var b bytes.Buffer
	if err := WriteDefaults(&b); err != nil {
		t.Fatal(err)
	}
	commented := regexp.MustCompile(`(?m)^#(\w+=)`)
	if n := len(commented.FindAll(b.Bytes(), -1)); n != len(Keys()) {
		t.Errorf("%d keys in the file, %d in the table", n, len(Keys()))
	}
	file := commented.ReplaceAllString(b.String(), "$1")
	file = strings.Replace(file, "webServicePort=\n", "", 1)
	c, notices := mustParse(t, file)
	if len(notices) != 0 {
		t.Errorf("notices: %v", notices)
	}
	assertSame(t, c, Defaults())
}

// assertSame compares what the configurations say, not where it was set.
func assertSame(t *testing.T, got, want *Config) {
	t.Helper()
	g, w := *got, *want
	g.settings, w.settings = nil, nil
	if !reflect.DeepEqual(g, w) {
		t.Errorf("got %+v\nwant %+v", g, w)
	}
}

// effects holds for every key with an effect a value that is not its default,
// the field it must change, and what to.
var effects = []struct {
	key, value, field string
	want              any
}{
	{"clusterName", "c1", "ClusterName", "c1"},
	{"serviceUrl", "http://b:8080", "ServiceURL", "http://b:8080"},
	{"serviceUrlTls", "https://b:8443", "ServiceURLTLS", "https://b:8443"},
	{"brokerServiceUrl", "pulsar://a:6650,b:6650", "BrokerServiceURL", "pulsar://a:6650,b:6650"},
	{"brokerServiceUrlTls", "pulsar+ssl://b:6651", "BrokerServiceURLTLS", "pulsar+ssl://b:6651"},
	{"configurationMetadataStoreUrl", "zk:a:1,b/x", "ConfigurationStore", ConfigurationStore{"zk", []string{"a:1", "b:2181"}, "/x"}},
	{"brokerWebServiceUrl", "http://b:8081/", "BrokerWebServiceURL", "http://b:8081"},
	{"metadataStoreSessionTimeoutMillis", "5000", "MetadataStoreSessionTimeout", 5 * time.Second},
	{"brokerClientTlsEnabled", "true", "BrokerClientTLSEnabled", true},
	{"brokerClientTrustCertsFilePath", "/ca.pem", "BrokerClientTrustCertsFile", "/ca.pem"},
	{"brokerClient_tlsCertificateFilePath", "/c.pem", "BrokerClientTLSCertificateFile", "/c.pem"},
	{"brokerClient_tlsKeyFilePath", "/k.pem", "BrokerClientTLSKeyFile", "/k.pem"},
	{"tlsAllowInsecureConnection", "true", "TLSAllowInsecure", true},
	{"tlsHostnameVerificationEnabled", "TRUE", "TLSHostnameVerification", true},
	{"brokerClientAuthenticationPlugin", AuthToken, "BrokerClientAuthPlugin", AuthToken},
	{"brokerClientAuthenticationParameters", "token:abc", "BrokerClientAuthParams", Secret("token:abc")},
	{"brokerClient_useKeyStoreTls", "true", "BrokerClientUseKeyStore", true},
	{"brokerClient_tlsKeyStoreType", "PKCS12", "BrokerClientKeyStoreType", "PKCS12"},
	{"brokerClient_tlsKeyStorePath", "/k.jks", "BrokerClientKeyStore", "/k.jks"},
	{"brokerClient_tlsKeyStorePassword", "changeit", "BrokerClientKeyStorePassword", Secret("changeit")},
	{"brokerClient_tlsTrustStoreType", "PKCS12", "BrokerClientTrustStoreType", "PKCS12"},
	{"brokerClient_tlsTrustStorePath", "/t.jks", "BrokerClientTrustStore", "/t.jks"},
	{"brokerClient_tlsTrustStorePassword", "changeit", "BrokerClientTrustStorePassword", Secret("changeit")},
	{"brokerClient_operationTimeoutMs", "1000", "BrokerClientOperationTimeout", time.Second},
	{"brokerClient_connectionTimeoutMs", "2000", "BrokerClientConnectionTimeout", 2 * time.Second},
	{"brokerClient_keepAliveIntervalSeconds", "10", "BrokerClientKeepAliveInterval", 10 * time.Second},
	{"brokerClient_listenerName", "external", "BrokerClientListenerName", "external"},
	{"webSocketConnectionsPerBroker", "77", "ConnectionsPerBroker", 77},
	{"webSocketPulsarClientMemoryLimitInMB", "64", "ClientMemoryLimit", int64(64 << 20)},
	{"bindAddress", "127.0.0.1", "BindAddress", "127.0.0.1"},
	{"webServicePort", "0", "WebServicePort", 0},
	{"statusFilePath", "/run/up", "StatusFilePath", "/run/up"},
	{"webServiceTrustXForwardedFor", "true", "TrustXForwardedFor", true},
	{"webServiceHaProxyProtocolEnabled", "true", "HAProxyProtocol", true},
	{"maxHttpServerConnections", "2048", "MaxHTTPServerConnections", 2048},
	{"maxConcurrentHttpRequests", "-1", "MaxConcurrentHTTPRequests", 0},
	{"webServicePortTls", "8443", "WebServicePortTLS", 8443},
	{"tlsCertificateFilePath", "/s.pem", "TLSCertificateFile", "/s.pem"},
	{"tlsKeyFilePath", "/s.key", "TLSKeyFile", "/s.key"},
	{"tlsTrustCertsFilePath", "/ca.pem", "TLSTrustCertsFile", "/ca.pem"},
	{"tlsRequireTrustedClientCertOnConnect", "true", "TLSRequireClientCert", true},
	{"tlsCertRefreshCheckDurationSec", "60", "TLSCertRefreshInterval", time.Minute},
	{"webServiceTlsProtocols", "TLSv1.3, tlsv1.2", "TLSProtocols", []string{"TLSv1.3", "tlsv1.2"}},
	{"webServiceTlsCiphers", "TLS_AES_128_GCM_SHA256", "TLSCiphers", []string{"TLS_AES_128_GCM_SHA256"}},
	{"tlsEnabledWithKeyStore", "true", "TLSEnabledWithKeyStore", true},
	{"tlsKeyStoreType", "pkcs12", "TLSKeyStoreType", "pkcs12"},
	{"tlsKeyStore", "/k.p12", "TLSKeyStore", "/k.p12"},
	{"tlsKeyStorePassword", "changeit", "TLSKeyStorePassword", Secret("changeit")},
	{"tlsTrustStoreType", "PKCS12", "TLSTrustStoreType", "PKCS12"},
	{"tlsTrustStore", "/t.p12", "TLSTrustStore", "/t.p12"},
	{"tlsTrustStorePassword", "changeit", "TLSTrustStorePassword", Secret("changeit")},
	{"cryptoKeyDirectory", "/keys", "CryptoKeyDirectory", "/keys"},
	{"webSocketMaxTextFrameSize", "65536", "MaxTextFrameSize", 65536},
	{"webSocketSessionIdleTimeoutMillis", "0", "SessionIdleTimeout", time.Duration(0)},
	{"webSocketPingDurationSeconds", "20", "PingInterval", 20 * time.Second},
	{"v1PublishTimeFormat", "ISO", "V1PublishTimeFormat", PublishTimeISO},
	{"v1TopicNames", "property/namespace/topic", "V1TopicNames", V1NamesWithoutCluster},
	{"allowedOrigins", "https://a, https://b,", "AllowedOrigins", []string{"https://a", "https://b"}},
	{"maxTopicsPerSession", "7", "MaxTopicsPerSession", 7},
	{"webSocketPingIdleSessions", "false", "PingIdleSessions", false},
	{"webSocketCompression", "false", "WebSocketCompression", false},
	{"handshakeTimeoutMillis", "1", "HandshakeTimeout", time.Millisecond},
	{"drainDelayMillis", "5000", "DrainDelay", 5 * time.Second},
	{"drainSpreadMillis", "20000", "DrainSpread", 20 * time.Second},
	{"drainTimeoutMillis", "0", "DrainTimeout", time.Duration(0)},
	{"slowClientTimeoutMillis", "100", "SlowClientTimeout", 100 * time.Millisecond},
	{"maxSessionsPerAddress", "3", "MaxSessionsPerAddress", 3},
	{"maxUnreadOutputBytes", "65536", "MaxUnreadOutputBytes", 65536},
	{"maxInFlightPublishes", "1", "MaxInFlightPublishes", 1},
	{"maxInFlightPublishBytes", "1024", "MaxInFlightPublishBytes", 1024},
	{"maxHttpHeaderBytes", "8192", "MaxHTTPHeaderBytes", 8192},
	{"maxUrlBytes", "256", "MaxURLBytes", 256},
	{"upstreamLingerMillis", "0", "UpstreamLinger", time.Duration(0)},
	{"consumersPerSharedSubscription", "1", "SharedConsumers", 1},
	{"tailBufferBytes", "65536", "TailBufferBytes", 65536},
	{"memoryLimitInMB", "512", "MemoryLimit", int64(512 << 20)},
	{"embeddedMemoryLimitBytes", "1048576", "EmbeddedMemoryLimitBytes", int64(1 << 20)},
	{"operatorPages", "false", "OperatorPages", false},
	{"operatorServicePort", "9090", "OperatorServicePort", 9090},
	{"operatorBindAddress", "::1", "OperatorBindAddress", "::1"},
	{"metricsNamespaces", "20", "MetricsNamespaces", 20},
	{"reusePort", "true", "ReusePort", true},
	{"authenticationEnabled", "true", "AuthenticationEnabled", true},
	{"authenticationProviders", ProviderToken + ", " + ProviderBasic, "AuthenticationProviders", []string{ProviderToken, ProviderBasic}},
	{"anonymousUserRole", "guest", "AnonymousUserRole", "guest"},
	{"superUserRoles", "a,b", "SuperUserRoles", []string{"a", "b"}},
	{"authenticationRefreshCheckSeconds", "60", "AuthenticationRefreshCheck", time.Minute},
	{"tokenSecretKey", "file:///s", "TokenSecretKey", Secret("file:///s")},
	{"tokenPublicKey", "file:///p", "TokenPublicKey", "file:///p"},
	{"tokenPublicAlg", "ES256", "TokenPublicAlg", "ES256"},
	{"tokenAuthClaim", "role", "TokenAuthClaim", "role"},
	{"tokenAudienceClaim", "aud", "TokenAudienceClaim", "aud"},
	{"tokenAudience", "me", "TokenAudience", "me"},
	{"tokenAllowedClockSkewSeconds", "30", "TokenAllowedClockSkew", 30 * time.Second},
	{"tokenSettingPrefix", "my", "TokenSettingPrefix", "my"},
	{"openIDAllowedTokenIssuers", "https://a, https://b", "OpenIDIssuers", []string{"https://a", "https://b"}},
	{"openIDAllowedAudiences", "a,b", "OpenIDAudiences", []string{"a", "b"}},
	{"openIDRoleClaim", "role", "OpenIDRoleClaim", "role"},
	{"openIDAcceptedTimeLeewaySeconds", "5", "OpenIDLeeway", 5 * time.Second},
	{"openIDTokenIssuerTrustCertsFilePath", "/ca.pem", "OpenIDTrustCertsFile", "/ca.pem"},
	{"openIDRequireIssuersUseHttps", "false", "OpenIDRequireHTTPS", false},
	{"openIDCacheRefreshAfterWriteSeconds", "60", "OpenIDCacheRefresh", time.Minute},
	{"openIDCacheExpirationSeconds", "120", "OpenIDCacheExpiration", 2 * time.Minute},
	{"openIDKeyIdCacheMissRefreshSeconds", "0", "OpenIDCacheMissRefresh", time.Duration(0)},
	{"openIDHttpConnectionTimeoutMillis", "500", "OpenIDConnectTimeout", 500 * time.Millisecond},
	{"openIDHttpReadTimeoutMillis", "700", "OpenIDReadTimeout", 700 * time.Millisecond},
	{"openIDFallbackDiscoveryMode", "disabled", "OpenIDFallback", "disabled"},
	{"basicAuthConf", "file:///u", "BasicAuthConf", Secret("file:///u")},
	{"maxFailedLoginsPerAddress", "7", "MaxFailedLoginsPerAddress", 7},
	{"authorizationEnabled", "true", "AuthorizationEnabled", true},
	{"authorizationProvider", "x.Y", "AuthorizationProvider", "x.Y"},
	{"authorizationAllowWildcardsMatching", "true", "AuthorizationAllowWildcards", true},
	{"authorizeDefaultDeadLetterTopic", "false", "AuthorizeDeadLetters", false},
	{"authorizationCacheMillis", "500", "AuthorizationCache", 500 * time.Millisecond},
	{"forwardOriginalPrincipal", "true", "ForwardOriginalPrincipal", true},
	{"forwardAuthorizationCredentials", "true", "ForwardAuthorizationCredentials", true},
	{"maxOriginalPrincipals", "7", "MaxOriginalPrincipals", 7},
	{"logLevel", "Debug", "LogLevel", "debug"},
	{"logFormat", "json", "LogFormat", "json"},
}

func TestEveryEffectiveKeySetsItsField(t *testing.T) {
	tested := make(map[string]bool)
	for _, tc := range effects {
		tested[tc.key] = true
		c := &Config{}
		if err := byName[tc.key].kind.set(c, tc.value); err != nil {
			t.Errorf("%s=%s: %v", tc.key, tc.value, err)
			continue
		}
		got := reflect.ValueOf(c).Elem().FieldByName(tc.field).Interface()
		if !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s=%s: %s is %v, want %v", tc.key, tc.value, tc.field, got, tc.want)
		}
		if reflect.DeepEqual(reflect.ValueOf(Defaults()).Elem().FieldByName(tc.field).Interface(), tc.want) {
			t.Errorf("%s: %v is the default, this proves nothing", tc.key, tc.want)
		}
	}
	for _, k := range Keys() {
		if k.Effect == Effective && !tested[k.Name] {
			t.Errorf("%s is not tested", k.Name)
		}
	}
	if fields := reflect.TypeFor[Config]().NumField() - 1; fields != len(effects) {
		t.Errorf("Config has %d fields, %d are set by a key", fields, len(effects))
	}
}
