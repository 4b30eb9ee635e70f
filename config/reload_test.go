package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestLiveKeysAreInTheTable(t *testing.T) {
	for name := range live {
		if k := byName[name]; k == nil || k.Name != name || k.Effect != Effective {
			t.Errorf("%s is no key that has an effect", name)
		}
	}
}

func TestReload(t *testing.T) {
	before, _ := mustParse(t, "clusterName=a\nlogLevel=warn\nmaxUrlBytes=4096\ntokenSecretKey=old\nwebSocketConnectionsPerBroker=3")
	next, _ := mustParse(t, "# moved\nlogLevel=debug\nclusterName=b\nmaxUrlBytes=8192\ntokenSecretKey=new\nwebSocketConnectionsPerBroker=3\nmaxSessionsPerAddress=0")
	now, changes, err := before.Reload(next)
	if err != nil {
		t.Fatal(err)
	}
	if now.ClusterName != "a" || now.LogLevel != "debug" || now.MaxURLBytes != 8192 || now.TokenSecretKey != "new" || now.ConnectionsPerBroker != 3 {
		t.Errorf("got %+v", now)
	}
	file := func(line int) Source { return Source{Path: "t.conf", Line: line} }
	want := []Change{
		{Key: "clusterName", Before: "a", Now: "b", Source: file(3)},
		{Key: "maxUrlBytes", Before: "4096", Now: "8192", Source: file(4), Live: true},
		{Key: "logLevel", Before: "warn", Now: "debug", Source: file(2), Live: true},
		{Key: "tokenSecretKey", Before: masked, Now: masked, Source: file(5), Live: true},
	}
	if !reflect.DeepEqual(changes, want) {
		t.Errorf("got %+v", changes)
	}
	// What waits for a restart is named again; what took effect is not.
	again, changes, err := now.Reload(next)
	if err != nil || len(changes) != 1 || changes[0].Key != "clusterName" || again.ClusterName != "a" {
		t.Errorf("got %+v %v", changes, err)
	}
	// A key that is left out goes back to its default.
	empty, _ := mustParse(t, "")
	if now, _, err = now.Reload(empty); err != nil || now.LogLevel != "info" || now.ClusterName != "a" || now.TokenSecretKey != "" {
		t.Errorf("got %+v %v", now, err)
	}
}

// An empty port is another value than the default, and both need a restart.
func TestReloadOfAnEmptyPort(t *testing.T) {
	before, _ := mustParse(t, "webServicePortTls=8443\ntlsCertificateFilePath=c\ntlsKeyFilePath=k")
	next, _ := mustParse(t, "webServicePortTls=8443\ntlsCertificateFilePath=c2\ntlsKeyFilePath=k\nwebServicePort=")
	now, changes, err := before.Reload(next)
	if err != nil || now.WebServicePort != 8080 || now.TLSCertificateFile != "c2" || len(changes) != 2 {
		t.Errorf("got %+v %v", changes, err)
	}
}

// Half of a change may make no sense.
func TestReloadOfWhatDoesNotGoTogether(t *testing.T) {
	before, _ := mustParse(t, "authenticationEnabled=true\nauthenticationProviders="+ProviderToken+"\ntokenSecretKey=k")
	next, _ := mustParse(t, "authenticationEnabled=false")
	if _, _, err := before.Reload(next); err == nil || !strings.Contains(err.Error(), "without a restart") || !strings.Contains(err.Error(), "authenticationProviders") {
		t.Errorf("got %v", err)
	}
}
