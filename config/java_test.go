package config

import (
	"strings"
	"testing"
	"time"
)

// javaKeys are the keys of the Java proxy 4.0.7 (the fields of its
// WebSocketProxyConfiguration) with its defaults, those that are computed left empty.
const javaKeys = `
clusterName=
serviceUrl=
serviceUrlTls=
brokerServiceUrl=
brokerServiceUrlTls=
statusFilePath=
globalZookeeperServers=
configurationStoreServers=
configurationMetadataStoreUrl=
metadataStoreSessionTimeoutMillis=30000
metadataStoreCacheExpirySeconds=300
zooKeeperSessionTimeoutMillis=-1
zooKeeperCacheExpirySeconds=-1
webServicePort=8080
webServicePortTls=
bindAddress=0.0.0.0
webServiceHaProxyProtocolEnabled=false
webServiceTrustXForwardedFor=false
webServiceLogDetailedAddresses=
webSocketMaxTextFrameSize=1048576
authenticationEnabled=false
authenticationProviders=
authorizationEnabled=false
authorizationProvider=org.apache.pulsar.broker.authorization.PulsarAuthorizationProvider
superUserRoles=
authorizationAllowWildcardsMatching=false
brokerClientAuthenticationPlugin=
brokerClientAuthenticationParameters=
brokerClientTrustCertsFilePath=
tlsHostnameVerificationEnabled=false
webSocketNumIoThreads=
numHttpServerThreads=
webSocketNumServiceThreads=20
maxConcurrentHttpRequests=1024
httpServerThreadPoolQueueSize=8192
httpServerAcceptQueueSize=8192
maxHttpServerConnections=2048
webSocketConnectionsPerBroker=
webSocketPulsarClientMemoryLimitInMB=0
webSocketSessionIdleTimeoutMillis=300000
anonymousUserRole=
tlsEnabled=false
brokerClientTlsEnabled=false
tlsCertificateFilePath=
tlsKeyFilePath=
tlsTrustCertsFilePath=
tlsAllowInsecureConnection=false
tlsRequireTrustedClientCertOnConnect=false
tlsCertRefreshCheckDurationSec=300
tlsEnabledWithKeyStore=false
tlsProvider=
tlsKeyStoreType=JKS
tlsKeyStore=
tlsKeyStorePassword=
tlsTrustStoreType=JKS
tlsTrustStore=
tlsTrustStorePassword=
webServiceTlsProtocols=
webServiceTlsCiphers=
cryptoKeyReaderFactoryClassName=
`

// A file with all keys of the Java proxy at its defaults means what no file means, but
// for the one limit it states, which is named.
func TestDefaultsOfJava(t *testing.T) {
	c, notices := mustParse(t, javaKeys)
	if len(notices) != 1 || notices[0].Kind != Limit || notices[0].Key != "maxHttpServerConnections" {
		t.Errorf("notices %v", notices)
	}
	want := Defaults()
	want.MaxHTTPServerConnections = 2048
	assertSame(t, c, want)
}

// Other keys that one finds in files for the Java proxy.
func TestOtherJavaKeysAreKnown(t *testing.T) {
	for _, name := range strings.Fields(`webSocketPingDurationSeconds metadataStoreAllowReadOnlyOperations
		tokenSecretKey tokenPublicKey tokenAuthClaim tokenPublicAlg tokenAudienceClaim tokenAudience
		basicAuthConf authenticationRefreshCheckSeconds`) {
		if byName[name] == nil {
			t.Errorf("%s is not known", name)
		}
	}
}

func TestMinimalFile(t *testing.T) {
	c, notices := mustParse(t, "globalZookeeperServers=zk-1,zk-2:2182/pulsar\nwebServicePort=9090\nclusterName=use\n")
	if got := kindsOf(notices); len(notices) != 1 || got["globalZookeeperServers"] != OldName {
		t.Errorf("notices: %v", notices)
	}
	if err := c.RequireCluster(); err != nil {
		t.Error(err)
	}
	if c.UpstreamURL() != "" {
		t.Errorf("an address out of nowhere: %s", c.UpstreamURL())
	}
	want := Defaults()
	want.ClusterName, want.WebServicePort = "use", 9090
	want.ConfigurationStore = ConfigurationStore{"zk", []string{"zk-1:2181", "zk-2:2182"}, "/pulsar"}
	assertSame(t, c, want)
}

func TestAliases(t *testing.T) {
	store := ConfigurationStore{"zk", []string{"z:2181"}, ""}
	for _, name := range []string{"configurationMetadataStoreUrl", "configurationStoreServers", "globalZookeeperServers"} {
		for _, value := range []string{"z", "z:2181", "zk:z:2181", "zk:z/"} {
			c, _ := mustParse(t, name+"="+value)
			if got := c.ConfigurationStore; got.Scheme != store.Scheme || got.Chroot != "" || strings.Join(got.Servers, ",") != "z:2181" {
				t.Errorf("%s=%s: %+v", name, value, got)
			}
		}
	}
	for _, name := range []string{"metadataStoreSessionTimeoutMillis", "zooKeeperSessionTimeoutMillis"} {
		if c, _ := mustParse(t, name+"=7000"); c.MetadataStoreSessionTimeout != 7*time.Second {
			t.Errorf("%s: %v", name, c.MetadataStoreSessionTimeout)
		}
	}
}

// Of several names of one thing the one that the Java proxy prefers counts, in any order of lines.
func TestPreferredNames(t *testing.T) {
	for _, file := range []string{
		"configurationMetadataStoreUrl=new\nconfigurationStoreServers=mid\nglobalZookeeperServers=old",
		"globalZookeeperServers=old\nconfigurationStoreServers=mid\nconfigurationMetadataStoreUrl=new",
	} {
		c, notices := mustParse(t, file)
		if c.ConfigurationStore.Servers[0] != "new:2181" {
			t.Errorf("%q: %+v", file, c.ConfigurationStore)
		}
		got := kindsOf(notices)
		if len(got) != 2 || got["configurationStoreServers"] != Ignored || got["globalZookeeperServers"] != Ignored {
			t.Errorf("%q: notices %v", file, notices)
		}
	}
	c, _ := mustParse(t, "metadataStoreSessionTimeoutMillis=1000\nzooKeeperSessionTimeoutMillis=2000")
	if c.MetadataStoreSessionTimeout != 2*time.Second {
		t.Errorf("the old name must win when it is set, got %v", c.MetadataStoreSessionTimeout)
	}
	c, _ = mustParse(t, "metadataStoreSessionTimeoutMillis=1000\nzooKeeperSessionTimeoutMillis=-1")
	if c.MetadataStoreSessionTimeout != time.Second {
		t.Errorf("-1 must not count, got %v", c.MetadataStoreSessionTimeout)
	}
}

// What would run open although the file asks for protection is refused.
func TestProtectionIsRefusedNotDropped(t *testing.T) {
	for _, line := range []string{
		"cryptoKeyReaderFactoryClassName=com.example.Keys",
	} {
		name, _, _ := strings.Cut(line, "=")
		_, _, err := parse("t.conf", []byte("clusterName=c\n"+line), nil, nil)
		wantError(t, err, strings.TrimSpace(line), "t.conf:2", "no Java here")
		_, _, err = parse("", nil, nil, []string{line})
		wantError(t, err, name, "--set")
	}
	mustParse(t, "authenticationEnabled=false\ntlsEnabled=False\nwebServicePortTls=\ncryptoKeyReaderFactoryClassName=\n")
}
