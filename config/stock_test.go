package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// stockFile returns the keys of Pulsar's own file of a version.
func stockFile(t *testing.T, version string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "stock", version+".conf"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var stockVersions = []string{"2.2", "2.8", "2.11", "3.0", "4.0", "master"}

// The stock file of each version starts and means what no file means, but for what it
// states; of keys that nobody has changed nothing is said.
func TestStockFilesOfPulsar(t *testing.T) {
	for version, tc := range map[string]struct {
		notices map[string]NoticeKind
		change  func(*Config)
	}{
		"2.2":    {map[string]NoticeKind{"webServicePortTls": Ignored}, func(c *Config) { c.ConnectionsPerBroker = 8 }},
		"2.8":    {map[string]NoticeKind{}, func(c *Config) { c.ConnectionsPerBroker = 8 }},
		"2.11":   {map[string]NoticeKind{"maxHttpServerConnections": Limit}, func(c *Config) { c.MaxHTTPServerConnections = 2048 }},
		"3.0":    {map[string]NoticeKind{"maxHttpServerConnections": Limit}, func(c *Config) { c.MaxHTTPServerConnections = 2048 }},
		"4.0":    {map[string]NoticeKind{"maxHttpServerConnections": Limit}, func(c *Config) { c.MaxHTTPServerConnections = 2048 }},
		"master": {map[string]NoticeKind{"maxHttpServerConnections": Limit}, func(c *Config) { c.MaxHTTPServerConnections, c.TLSHostnameVerification = 2048, true }},
	} {
		t.Run(version, func(t *testing.T) {
			c, notices := mustParse(t, stockFile(t, version), "brokerServiceUrl=pulsar://b:6650")
			if err := c.RequireCluster(); err != nil {
				t.Error(err)
			}
			got := kindsOf(notices)
			for key, kind := range tc.notices {
				if got[key] != kind {
					t.Errorf("%s: notices %v", key, notices)
				}
			}
			if len(notices) != len(tc.notices) {
				t.Errorf("notices %v", notices)
			}
			want := Defaults()
			want.BrokerServiceURL = "pulsar://b:6650"
			tc.change(want)
			assertSame(t, c, want)
		})
	}
}

// What someone has chosen is told, also where it does nothing or has another name today.
func TestWhatSomeoneChoseIsTold(t *testing.T) {
	for line, kind := range map[string]NoticeKind{
		"numIoThreads=16":                                 NoEffect,
		"webSocketNumIoThreads=16":                        NoEffect,
		"httpServerAcceptQueueSize=100":                   NoEffect,
		"tlsProvider=SunJSSE":                             NoEffect,
		"jsseProvider=BCJSSE":                             NoEffect,
		"tlsFactoryConfig=a=b":                            NoEffect,
		"connectionsPerBroker=16":                         OldName,
		"zooKeeperSessionTimeoutMillis=1000":              OldName,
		"globalZookeeperServers=z":                        OldName,
		"brokerClientAuthenticationPlugin=" + AuthToken:   Ignored,
		"maxHttpServerConnections=2048":                   Limit,
		"brokerClient_statsIntervalSeconds=1":             NoEffect,
		"webServiceLogDetailedAddresses=true":             NoEffect,
		"metadataStoreAllowReadOnlyOperations=true":       NoEffect,
		"zooKeeperCacheExpirySeconds=7":                   NoEffect,
		"brokerClientSslProvider=OPENSSL":                 NoEffect,
		"configurationStoreServers=z\nclusterName=c\n\n#": OldName,
	} {
		name, _, _ := strings.Cut(line, "=")
		_, notices := mustParse(t, line)
		if len(notices) != 1 || notices[0].Kind != kind || notices[0].Key != name || !strings.Contains(notices[0].String(), "(t.conf:1)") {
			t.Errorf("%q: notices %v", line, notices)
		}
	}
	if c, _ := mustParse(t, "connectionsPerBroker=16"); c.ConnectionsPerBroker != 16 {
		t.Errorf("%d connections per broker", c.ConnectionsPerBroker)
	}
	for _, line := range []string{"maxHttpServerConnections=4096", "maxHttpServerConnections=0", "brokerClient_connectionsPerBroker=4", "tlsProvider=", "numIoThreads=8"} {
		if _, notices := mustParse(t, line); len(notices) != 0 {
			t.Errorf("%q: notices %v", line, notices)
		}
	}
}

// A class that makes TLS may be named if it is Pulsar's own, which only does what is done here.
func TestClassesOfTLS(t *testing.T) {
	for key, own := range map[string]string{
		"tlsFactoryClassName": builtIn, "brokerClientTlsFactoryClassName": builtIn, "brokerClient_sslFactoryPlugin": pulsarSSLFactory,
	} {
		for _, value := range []string{"", own} {
			if c, notices := mustParse(t, key+"="+value); len(notices) != 0 {
				t.Errorf("%s=%s: %v %v", key, value, c, notices)
			}
		}
		_, _, err := parse("t.conf", []byte("\n"+key+"=com.example.Own"), nil, nil)
		wantError(t, err, key+"=com.example.Own (t.conf:2)", "Pulsar's own")
	}
}

// In Pulsar up to 2.2 tlsEnabled=false was what kept the TLS port of the stock file closed.
func TestTLSPortWithTheOldSwitchOff(t *testing.T) {
	c, notices := mustParse(t, "webServicePortTls=8443\ntlsEnabled=false")
	if c.WebServicePortTLS != NoPort || len(notices) != 1 || !strings.Contains(notices[0].String(), "webServicePortTls (t.conf:1): ignored") || !strings.Contains(notices[0].String(), "t.conf:2") {
		t.Errorf("port %d, %v", c.WebServicePortTLS, notices)
	}
	if c, notices := mustParse(t, tlsFile+"tlsEnabled=false"); c.WebServicePortTLS != 8443 || len(notices) != 0 {
		t.Errorf("with a certificate, as in newer stock files: port %d, %v", c.WebServicePortTLS, notices)
	}
	for _, file := range []string{
		"webServicePortTls=8443",
		"webServicePortTls=8443\ntlsEnabled=true",
		"webServicePortTls=8443\ntlsEnabled=false\ntlsCertificateFilePath=/c.pem",
		"webServicePortTls=8443\ntlsEnabled=false\ntlsEnabledWithKeyStore=true",
		"webServicePortTls=8443\ntlsEnabled=false\ntlsRequireTrustedClientCertOnConnect=true",
		"webServicePortTls=8443\ntlsEnabled=false\nwebServicePort=",
	} {
		_, _, err := parse("t.conf", []byte(file), nil, nil)
		wantError(t, err, "webServicePortTls")
	}
}

// A chart names the login by certificate beside the token's, with or without TLS.
func TestLoginByCertificateThatNobodyCanUse(t *testing.T) {
	const both = "authenticationEnabled=true\nauthenticationProviders=" + ProviderTLS + "," + ProviderToken + "\ntokenSecretKey=/s\n"
	for file, reason := range map[string]string{both: "webServicePortTls", both + tlsFile: "tlsTrustCertsFilePath"} {
		c, notices := mustParse(t, file)
		if !slices.Equal(c.AuthenticationProviders, []string{ProviderToken}) || len(notices) != 1 || notices[0].Kind != Ignored ||
			!strings.Contains(notices[0].String(), "authenticationProviders (t.conf:2)") || !strings.Contains(notices[0].String(), reason) {
			t.Errorf("%q: %v, notices %v", file, c.AuthenticationProviders, notices)
		}
	}
	if c, notices := mustParse(t, both+tlsFile+"tlsTrustCertsFilePath=/ca.pem"); len(c.AuthenticationProviders) != 2 || len(notices) != 0 {
		t.Errorf("%v, notices %v", c.AuthenticationProviders, notices)
	}
	_, _, err := parse("t.conf", []byte("authenticationEnabled=true\nauthenticationProviders="+ProviderTLS+"\n"+tlsFile+"tlsTrustStore=/t.p12"), nil, nil)
	wantError(t, err, "tlsTrustCertsFilePath")
}

// The variables that an operator for Kubernetes gives a WebSocket proxy.
func TestEnvironmentOfAnOperator(t *testing.T) {
	c, notices := withEnvironment(t, stockFile(t, "2.8"), []string{
		"PULSAR_EXTRA_OPTS=-Dpulsar.log.root.level=info", "PULSAR_GC=-XX:+UseG1GC", "PULSAR_LOG_LEVEL=info", "PULSAR_LOG_ROOT_LEVEL=info", "PULSAR_MEM=-Xms1g -Xmx1g",
		"brokerServiceUrl=pulsar://broker.ns.svc.cluster.local:6650/", "brokerServiceUrlTls=pulsar+ssl://broker.ns.svc.cluster.local:6651/",
		"serviceUrl=http://broker.ns.svc.cluster.local:8080/", "serviceUrlTls=https://broker.ns.svc.cluster.local:8443/",
		"clusterName=pulsar", "configurationStoreServers=zookeeper.ns.svc.cluster.local:2181", "zookeeperServers=zookeeper.ns.svc.cluster.local:2181",
		"numHttpServerThreads=10", "webServicePort=8000",
	})
	if err := c.RequireCluster(); err != nil {
		t.Error(err)
	}
	if c.WebServicePort != 8000 || c.ClusterName != "pulsar" || c.UpstreamURL() != "pulsar://broker.ns.svc.cluster.local:6650/" || c.ConfigurationStore.Scheme != "zk" {
		t.Errorf("got %+v", c)
	}
	got := kindsOf(notices)
	if len(notices) != 7 || got["PULSAR_MEM"] != NoEffect || got["numHttpServerThreads"] != NoEffect || got["configurationStoreServers"] != OldName {
		t.Errorf("notices %v", notices)
	}
}
