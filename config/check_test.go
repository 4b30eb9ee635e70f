package config

import (
	"errors"
	"testing"
)

func TestUpstreamURL(t *testing.T) {
	const all = "serviceUrl=http://s:1\nserviceUrlTls=https://s:2\nbrokerServiceUrl=pulsar://b:3\nbrokerServiceUrlTls=pulsar+ssl://b:4\n"
	for _, tc := range []struct{ file, want string }{
		{all, "pulsar://b:3"},
		{all + "brokerServiceUrl=", "http://s:1"},
		{all + "brokerClientTlsEnabled=true", "pulsar+ssl://b:4"},
		{all + "brokerClientTlsEnabled=true\nbrokerServiceUrlTls=", "https://s:2"},
		{"serviceUrl=pulsar://b:3", "pulsar://b:3"},
	} {
		c, _ := mustParse(t, tc.file)
		if got := c.UpstreamURL(); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.file, got, tc.want)
		}
		if err := c.RequireCluster(); err != nil {
			t.Errorf("%q: %v", tc.file, err)
		}
	}
}

func TestRequireCluster(t *testing.T) {
	for _, tc := range []struct {
		file  string
		parts []string
		none  bool
	}{
		{"", []string{"brokerServiceUrl", "configurationMetadataStoreUrl", "--embedded"}, true},
		{"clusterName=c", []string{"brokerServiceUrl"}, true},
		{"globalZookeeperServers=z", []string{"clusterName"}, true},
		{"clusterName=c\nconfigurationMetadataStoreUrl=etcd:http://e:2379", []string{"etcd", "brokerServiceUrl"}, true},
		{"brokerServiceUrl=pulsar://b:1\nbrokerClientTlsEnabled=true", []string{"brokerClientTlsEnabled", "t.conf:2", "brokerServiceUrlTls"}, false},
		{"brokerServiceUrlTls=pulsar+ssl://b:1", []string{"brokerClientTlsEnabled"}, false},
	} {
		c, _ := mustParse(t, tc.file)
		err := c.RequireCluster()
		wantError(t, err, tc.parts...)
		if errors.Is(err, ErrNoCluster) != tc.none {
			t.Errorf("%q: ErrNoCluster: %v", tc.file, err)
		}
	}
}

// A store of another kind does no harm where nothing has to be looked up.
func TestOtherStoreUnused(t *testing.T) {
	c, _ := mustParse(t, "configurationMetadataStoreUrl=oxia://o:6648\nbrokerServiceUrl=pulsar://b:1")
	if err := c.RequireCluster(); err != nil {
		t.Error(err)
	}
}

func TestDefaultsAreResolved(t *testing.T) {
	if n := Defaults().ConnectionsPerBroker; n < 1 {
		t.Errorf("%d connections per broker", n)
	}
}

func TestInsecureIsNamed(t *testing.T) {
	_, notices := mustParse(t, "tlsAllowInsecureConnection=true")
	if len(notices) != 1 || notices[0].Kind != Risky {
		t.Errorf("notices %v", notices)
	}
}

func TestCertificateNeedsItsKey(t *testing.T) {
	_, _, err := parse("t.conf", []byte("brokerClient_tlsCertificateFilePath=/c.pem"), nil, nil)
	wantError(t, err, "brokerClient_tlsKeyFilePath")
}
