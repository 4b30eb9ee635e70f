package config

import (
	"errors"
	"strings"
	"testing"
)

const enabled = "webSocketServiceEnabled=true\n"

func mustParseBroker(t *testing.T, file string, sets ...string) (*Config, []Notice) {
	t.Helper()
	c, notices, err := parseBroker("broker.conf", []byte(file), nil, sets)
	if err != nil {
		t.Fatalf("%q with %q: %v", file, sets, err)
	}
	return c, notices
}

// Where the broker is comes from its file, in the order in which it advertises itself.
func TestBrokerIsFound(t *testing.T) {
	for name, tc := range map[string]struct{ file, binary, secure, web string }{
		"nothing said": {"", "pulsar://localhost:6650", "", "http://localhost:8080"},
		"stock file": {"brokerServicePort=6650\nbrokerServicePortTls=\nwebServicePort=8080\nwebServicePortTls=\nbindAddress=0.0.0.0\nadvertisedAddress=\nadvertisedListeners=\ninternalListenerName=\n",
			"pulsar://localhost:6650", "", "http://localhost:8080"},
		"bound":      {"bindAddress=10.0.0.7\nbrokerServicePort=1\nwebServicePort=2", "pulsar://10.0.0.7:1", "", "http://10.0.0.7:2"},
		"IPv6":       {"bindAddress=fd00::7", "pulsar://[fd00::7]:6650", "", "http://[fd00::7]:8080"},
		"advertised": {"bindAddress=10.0.0.7\nadvertisedAddress=b1.example", "pulsar://b1.example:6650", "", "http://b1.example:8080"},
		"listeners": {"advertisedAddress=x\nadvertisedListeners=int:pulsar://b1:1111, int:pulsar+ssl://b1:1112,ext:pulsar://pub:2222",
			"pulsar://b1:1111", "pulsar+ssl://b1:1112", "http://b1:8080"},
		"another listener is the internal one": {"advertisedListeners=ext:pulsar://pub:2222,int:pulsar://b1:1111,int:http://b1:3333\ninternalListenerName=int",
			"pulsar://b1:1111", "", "http://b1:3333"},
		"TLS beside": {"brokerServicePortTls=6651\nwebServicePortTls=8443", "pulsar://localhost:6650", "pulsar+ssl://localhost:6651", "http://localhost:8080"},
		"TLS": {"brokerServicePort=\nwebServicePort=\nbrokerServicePortTls=6651\nwebServicePortTls=8443\nbrokerClientTlsEnabled=true\n",
			"", "pulsar+ssl://localhost:6651", "https://localhost:8443"},
	} {
		c, _ := mustParseBroker(t, enabled+tc.file, "webServicePort=9999")
		if c.BrokerServiceURL != tc.binary || c.BrokerServiceURLTLS != tc.secure || c.BrokerWebServiceURL != tc.web || c.AdminURL() != tc.web {
			t.Errorf("%s: %q %q %q", name, c.BrokerServiceURL, c.BrokerServiceURLTLS, c.BrokerWebServiceURL)
		}
		if err := c.RequireCluster(); err != nil || c.WebServicePort != 9999 || c.WebServicePortTLS != NoPort {
			t.Errorf("%s: ports %d and %d, %v", name, c.WebServicePort, c.WebServicePortTLS, err)
		}
	}
}

// What the file says of who may do what holds here, too; the rest of it is the broker's.
func TestBrokerSettingsHold(t *testing.T) {
	c, notices := mustParseBroker(t, enabled+`
clusterName=c1
zookeeperServers=zk1:2181
managedLedgerDefaultEnsembleSize=1
aKeyThatNobodyKnows=1
numIOThreads=3
numHttpServerThreads=8
statusFilePath=/run/status
tlsEnabled=true
webSocketMaxTextFrameSize=2048
authenticationEnabled=true
authenticationProviders=`+ProviderToken+`
tokenSettingPrefix=my
mytokenSecretKey=data:;base64,c2VjcmV0
authorizationEnabled=true
superUserRoles=admin,pulsegate
proxyRoles=proxy
brokerClientAuthenticationPlugin=`+AuthToken+`
brokerClientAuthenticationParameters=token:abc
brokerClientCertificateFilePath=/c.pem
brokerClientKeyFilePath=/k.pem
brokerClientTrustCertsFilePath=/ca.pem
`, "webServicePort=9999")
	want := Defaults()
	want.ClusterName, want.ConfigurationStore = "c1", ConfigurationStore{Scheme: "zk", Servers: []string{"zk1:2181"}}
	want.MaxTextFrameSize, want.WebServicePort = 2048, 9999
	want.BrokerServiceURL, want.BrokerWebServiceURL = "pulsar://localhost:6650", "http://localhost:8080"
	want.AuthenticationEnabled, want.AuthenticationProviders = true, []string{ProviderToken}
	want.TokenSettingPrefix, want.TokenSecretKey = "my", "data:;base64,c2VjcmV0"
	want.AuthorizationEnabled, want.SuperUserRoles = true, []string{"admin", "pulsegate"}
	want.BrokerClientAuthPlugin, want.BrokerClientAuthParams = AuthToken, "token:abc"
	want.BrokerClientTLSCertificateFile, want.BrokerClientTLSKeyFile, want.BrokerClientTrustCertsFile = "/c.pem", "/k.pem", "/ca.pem"
	assertSame(t, c, want)
	for _, n := range notices {
		if n.Key != "proxyRoles" {
			t.Errorf("notice %s", n)
		}
	}
	if kindsOf(notices)["proxyRoles"] != Risky {
		t.Errorf("no notice of proxyRoles: %v", notices)
	}
}

// With forwardOriginalPrincipal our role has to be one of the brokers' proxyRoles.
func TestBrokersProxyRoles(t *testing.T) {
	const file = enabled + "proxyRoles=proxy\nauthenticationEnabled=true\nauthenticationProviders=" + ProviderToken + "\ntokenSecretKey=data:;base64,c2VjcmV0\n" +
		"brokerClientAuthenticationPlugin=" + AuthToken + "\nbrokerClientAuthenticationParameters=token:abc\n"
	for set, want := range map[string]bool{"forwardOriginalPrincipal=false": true, "forwardOriginalPrincipal=true": false} {
		_, notices := mustParseBroker(t, file, set, "webServicePort=9999")
		if _, told := kindsOf(notices)["proxyRoles"]; told != want {
			t.Errorf("%s: %v", set, notices)
		}
	}
}

// In the broker's place its ports are ours.
func TestBrokersPlace(t *testing.T) {
	const file = enabled + "webServicePort=8080\nwebServicePortTls=8443\nbindAddress=10.0.0.7\ntlsCertificateFilePath=/s.pem\ntlsKeyFilePath=/s.key\n"
	c, _ := mustParseBroker(t, file, "brokerWebServiceUrl=http://127.0.0.1:8081")
	if c.WebServicePort != 8080 || c.WebServicePortTLS != 8443 || c.BindAddress != "10.0.0.7" ||
		c.BrokerWebServiceURL != "http://127.0.0.1:8081" || c.AdminURL() != c.BrokerWebServiceURL || c.BrokerServiceURL != "pulsar://10.0.0.7:6650" {
		t.Errorf("%+v", c)
	}
	c, _ = mustParseBroker(t, file, "brokerWebServiceUrl=http://127.0.0.1:8081", "webServicePort=80", "webServicePortTls=")
	if c.WebServicePort != 80 || c.WebServicePortTLS != NoPort {
		t.Errorf("ports %d and %d", c.WebServicePort, c.WebServicePortTLS)
	}
	c, _ = mustParseBroker(t, file, "webServicePortTls=9443")
	if c.WebServicePort != NoPort || c.WebServicePortTLS != 9443 {
		t.Errorf("ports %d and %d", c.WebServicePort, c.WebServicePortTLS)
	}
}

func TestBrokerFaults(t *testing.T) {
	const own = "webServicePort=9999"
	for _, tc := range []struct {
		file string
		sets []string
		want []string
	}{
		{"webSocketServiceEnabled=maybe", []string{own}, []string{"webSocketServiceEnabled=maybe (broker.conf:1)", "true or false"}},
		{enabled, nil, []string{"broker.conf", "--set webServicePort=PORT", "8080", "brokerWebServiceUrl"}},
		{enabled + "webServicePort=7", nil, []string{"on port 7"}},
		{enabled, []string{"webServicePort=8080"}, []string{"webServicePort=8080 (--set)", "the broker's own webServicePort"}},
		{enabled, []string{"webServicePort=6650"}, []string{"the broker's own brokerServicePort"}},
		{enabled + "brokerServicePort=x", []string{own}, []string{"brokerServicePort=x (broker.conf:2)"}},
		{enabled + "webServicePort=0", []string{own}, []string{"webServicePort=0 (broker.conf:2)", "chosen by the system"}},
		{enabled + "webServicePort=\nwebServicePortTls=8443", []string{own}, []string{"brokerClientTlsEnabled=false"}},
		{enabled + "brokerClientTlsEnabled=true", []string{own}, []string{"brokerClientTlsEnabled=true"}},
		{enabled + "advertisedListeners=b1:6650", []string{own}, []string{"advertisedListeners (broker.conf:2)", "b1:6650"}},
		{enabled + "advertisedListeners=a:pulsar://b1:1\ninternalListenerName=b", []string{own}, []string{"internalListenerName=b (broker.conf:3)"}},
		{enabled + "authorizationEnabled=true", []string{own}, []string{"authorizationEnabled=true (broker.conf:2)"}},
		{enabled, []string{own, "brokerWebServiceUrl=broker:1"}, []string{"brokerWebServiceUrl=broker:1"}},
		{enabled, []string{"x"}, []string{"--set number 1"}},
	} {
		_, _, err := parseBroker("broker.conf", []byte(tc.file), nil, tc.sets)
		wantError(t, err, tc.want...)
		if errors.Is(err, ErrNotEnabled) {
			t.Errorf("%v is no mistake", err)
		}
	}
	for _, file := range []string{"", "webSocketServiceEnabled=", "webSocketServiceEnabled=False"} {
		_, _, err := parseBroker("broker.conf", []byte(file), nil, []string{own})
		if wantError(t, err, "broker.conf", "webSocketServiceEnabled"); !errors.Is(err, ErrNotEnabled) {
			t.Errorf("%q: %v", file, err)
		}
	}
	if _, _, err := LoadBroker(strings.Repeat("gone", 3), nil, nil); err == nil {
		t.Error("a file that is not there was read")
	}
}

// What counts more than the file decides about its translation, too.
func TestBrokerConfUnderTheEnvironment(t *testing.T) {
	load := func(file string, environ []string, sets ...string) *Config {
		t.Helper()
		c, _, err := parseBroker("broker.conf", []byte(file), environ, sets)
		if err != nil {
			t.Fatalf("%q with %q and %q: %v", file, environ, sets, err)
		}
		return c
	}
	// A container's environment holds the broker's own port; --set names ours.
	if c := load(enabled, []string{"webServicePort=8080", "PULSAR_PREFIX_webServicePortTls=8443"}, "webServicePort=8082", "webServicePortTls="); c.WebServicePort != 8082 || c.WebServicePortTLS != NoPort {
		t.Errorf("ports %d and %d", c.WebServicePort, c.WebServicePortTLS)
	}
	if c := load("webServicePort=8081\n", []string{"PULSAR_PREFIX_webSocketServiceEnabled=true"}, "webServicePort=8082"); c.WebServicePort != 8082 {
		t.Errorf("port %d", c.WebServicePort)
	}
	tls := "brokerServicePortTls=6651\nwebServicePortTls=8443\nwebServicePort=\n"
	if c := load(enabled+tls, nil, "brokerClientTlsEnabled=true", "webServicePort=8082"); c.BrokerWebServiceURL != "https://localhost:8443" {
		t.Errorf("the broker's web service is %s", c.BrokerWebServiceURL)
	}
	token := "authenticationEnabled=true\nauthenticationProviders=" + ProviderToken + "\nmytokenSecretKey=data:;base64,c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0\n"
	if c := load(enabled+token, []string{"PULSAR_PREFIX_tokenSettingPrefix=my"}, "webServicePort=8082"); c.TokenSecretKey == "" {
		t.Error("the token's key is lost")
	}
	if c := load(enabled, []string{"PULSAR_PREFIX_brokerClientCertificateFilePath=/c", "PULSAR_PREFIX_brokerClientKeyFilePath=/k", "PULSAR_PREFIX_brokerClientSslFactoryPlugin=x"}, "webServicePort=8082"); c.BrokerClientTLSCertificateFile != "/c" || c.BrokerClientTLSKeyFile != "/k" {
		t.Errorf("our certificate is %q with %q", c.BrokerClientTLSCertificateFile, c.BrokerClientTLSKeyFile)
	}
}

// Of two names of one key the client's own counts, always.
func TestBrokerConfWithBothNames(t *testing.T) {
	for range 20 {
		c, _ := mustParseBroker(t, enabled+"brokerClientCertificateFilePath=/a\nbrokerClientKeyFilePath=/ka\nbrokerClient_tlsCertificateFilePath=/b\nbrokerClient_tlsKeyFilePath=/kb\n", "webServicePort=8082")
		if c.BrokerClientTLSCertificateFile != "/b" || c.BrokerClientTLSKeyFile != "/kb" {
			t.Fatalf("%s with %s", c.BrokerClientTLSCertificateFile, c.BrokerClientTLSKeyFile)
		}
	}
}
