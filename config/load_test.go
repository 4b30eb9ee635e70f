package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPrecedence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "websocket.conf")
	if err := os.WriteFile(path, []byte("clusterName=file\nwebServicePort=1\nstatusFilePath=/f\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, notices, err := Load(path, nil, []string{"webServicePort=2", "statusFilePath=", "logLevel=debug", "logLevel=warn"})
	if err != nil {
		t.Fatal(err)
	}
	if c.ClusterName != "file" || c.WebServicePort != 2 || c.StatusFilePath != "" || c.LogLevel != "warn" || c.BindAddress != "0.0.0.0" {
		t.Errorf("got %+v", c)
	}
	if got := kindsOf(notices); len(got) != 1 || got["logLevel"] != Ignored {
		t.Errorf("notices %v", notices)
	}
	for name, want := range map[string]string{
		"clusterName": path + ":1", "webServicePort": "--set", "statusFilePath": "--set", "bindAddress": "default",
	} {
		if got := c.source(name).String(); got != want {
			t.Errorf("%s comes from %s, want %s", name, got, want)
		}
	}
}

// Under whichever name, the command line counts more than the file.
func TestPrecedenceAcrossNames(t *testing.T) {
	c, notices := mustParse(t, "configurationMetadataStoreUrl=file", "globalZookeeperServers=flag")
	if got := c.ConfigurationStore.Servers[0]; got != "flag:2181" || len(notices) != 1 || notices[0].Kind != OldName {
		t.Errorf("got %s, %v", got, notices)
	}
}

func TestEmptyMeansDefault(t *testing.T) {
	c, _ := mustParse(t, "webSocketMaxTextFrameSize=\nbindAddress=  \nlogLevel=debug\nlogLevel=\n")
	assertSame(t, c, Defaults())
}

// To the Java proxy an empty port is "no plain listener"; opening one all the same would surprise.
func TestEmptyPort(t *testing.T) {
	_, _, err := parse("t.conf", []byte("webServicePort=\n"), nil, nil)
	wantError(t, err, "webServicePort", "t.conf:1", "nothing would be served")
}

func TestSetTwice(t *testing.T) {
	c, notices := mustParse(t, "clusterName=a\nwebServicePort=1\nclusterName=b\nwebServicePort=1")
	if c.ClusterName != "b" {
		t.Errorf("got %s", c.ClusterName)
	}
	if len(notices) != 1 || !strings.Contains(notices[0].String(), "clusterName (t.conf:1)") || !strings.Contains(notices[0].String(), "t.conf:3") {
		t.Errorf("notices %v", notices)
	}
}

func TestBadValues(t *testing.T) {
	for _, tc := range []struct {
		line  string
		parts []string
	}{
		{"webServicePort=65536", []string{"from 0 to 65535"}},
		{"webServicePort=80a", []string{"whole number"}},
		{"webServicePort=-1", nil},
		{"webSocketMaxTextFrameSize=1.5", []string{"bytes"}},
		{"webSocketMaxTextFrameSize=99999999999999999999", nil},
		{"webSocketSessionIdleTimeoutMillis=5m", []string{"milliseconds"}},
		{"webServiceTrustXForwardedFor=yes", []string{"true or false"}},
		{"authenticationEnabled=yes", []string{"true or false"}},
		{"logLevel=loud", []string{"debug, info, warn, error"}},
		{"v1PublishTimeFormat=unix", []string{"seed, iso"}},
		{"brokerServiceUrl=localhost:6650", []string{"scheme://host:port"}},
		{"brokerServiceUrl=kafka://b:9092", []string{"pulsar+ssl"}},
		{"brokerServiceUrl=pulsar://", nil},
		{"brokerServiceUrl=pulsar://a:6650,", nil},
		{"brokerServiceUrl=pulsar://a:0", nil},
		{"brokerServiceUrlTls=pulsar://a:6650", []string{"pulsar+ssl"}},
		{"serviceUrlTls=http://a:8080", []string{"https"}},
		{"globalZookeeperServers=a:b", []string{"no valid port"}},
		{"globalZookeeperServers=/chroot", []string{"no server"}},
		{"globalZookeeperServers=a:1:2", []string{"not host:port"}},
		{"brokerClientAuthenticationPlugin=com.example.Auth", []string{AuthToken}},
	} {
		_, _, err := parse("t.conf", []byte("\n"+tc.line), nil, nil)
		wantError(t, err, append(tc.parts, tc.line, "t.conf:2")...)
		var v *ValueError
		if key, _, _ := strings.Cut(tc.line, "="); !errors.As(err, &v) || v.Key != key {
			t.Errorf("%s: no ValueError of the key: %v", tc.line, err)
		}
	}
}

// A spread that does not fit into the time of a stop would cut sessions.
func TestSpreadFitsIntoTheDrain(t *testing.T) {
	_, _, err := parse("t.conf", []byte("drainTimeoutMillis=2000\ndrainSpreadMillis=2001"), nil, nil)
	wantError(t, err, "drainSpreadMillis=2001", "t.conf:2", "drainTimeoutMillis=2000", "raise")
	mustParse(t, "drainTimeoutMillis=2000\ndrainSpreadMillis=2000\ndrainDelayMillis=60000")
}

func TestAllBadValuesAtOnce(t *testing.T) {
	_, _, err := parse("t.conf", []byte("webServicePort=x\nlogLevel=x\nauthorizationEnabled=x"), nil, nil)
	wantError(t, err, "webServicePort", "logLevel", "authorizationEnabled")
}

func TestLoadErrors(t *testing.T) {
	_, _, err := Load(filepath.Join(t.TempDir(), "gone.conf"), nil, nil)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	for _, set := range []string{"clusterName", "=x", " =x"} {
		_, _, err = Load("", nil, []string{set})
		wantError(t, err, "--set", "key=value")
	}
}

func TestUnknownKeys(t *testing.T) {
	for name, meant := range map[string]string{
		"webServicPort":         "webServicePort",
		"websocketMaxTextSize":  "webSocketMaxTextFrameSize",
		"BrokerServiceURL":      "brokerServiceUrl",
		"globalZooKeeperServer": "globalZookeeperServers",
		"fooBar":                "",
	} {
		c, notices := mustParse(t, name+"=1")
		assertSame(t, c, Defaults())
		if len(notices) != 1 || notices[0].Kind != Unknown || notices[0].Key != name {
			t.Errorf("%s: notices %v", name, notices)
			continue
		}
		text := notices[0].String()
		if !strings.Contains(text, "t.conf:1") || strings.Contains(text, "did you mean") != (meant != "") || !strings.Contains(text, meant) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestPassThroughKeys(t *testing.T) {
	_, notices := mustParse(t, "brokerClient_statsIntervalSeconds=60")
	if len(notices) != 1 || notices[0].Kind != NoEffect {
		t.Errorf("notices %v", notices)
	}
	c, notices := mustParse(t, "brokerClient_connectionsPerBroker=5\nbrokerClient_tlsTrustCertsFilePath=/ca\nbrokerClient_tlsHostnameVerificationEnable=true")
	if c.ConnectionsPerBroker != 5 || c.BrokerClientTrustCertsFile != "/ca" || !c.TLSHostnameVerification || len(notices) > 0 {
		t.Errorf("got %+v, %v", c, notices)
	}
}

func TestLocate(t *testing.T) {
	t.Chdir(t.TempDir())
	if got := Locate(""); got != "" {
		t.Errorf("found %s in an empty folder", got)
	}
	if err := os.MkdirAll(filepath.Dir(DefaultPath), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(DefaultPath, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := Locate(""); got != DefaultPath {
		t.Errorf("found %q", got)
	}
	if got := Locate("other"); got != "other" {
		t.Errorf("found %q", got)
	}
}
