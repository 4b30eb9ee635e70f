package config

import (
	"slices"
	"testing"
)

// withEnvironment parses lines of a file called t.conf under an environment.
func withEnvironment(t *testing.T, file string, environ []string, sets ...string) (*Config, []Notice) {
	t.Helper()
	c, notices, err := parse("t.conf", []byte(file), environ, sets)
	if err != nil {
		t.Fatalf("%q under %q with %q: %v", file, environ, sets, err)
	}
	return c, notices
}

// The environment counts more than the file and less than the command line.
func TestEnvironmentIsBetweenFileAndFlags(t *testing.T) {
	c, notices := withEnvironment(t, "clusterName=file\nwebServicePort=1\nbindAddress=127.0.0.1\nstatusFilePath=/f\n",
		[]string{"clusterName=env", "PULSAR_PREFIX_webServicePort= 2 ", "logLevel=debug", "statusFilePath=", "HOME=/root"}, "logLevel=warn")
	if c.ClusterName != "env" || c.WebServicePort != 2 || c.BindAddress != "127.0.0.1" || c.LogLevel != "warn" || c.StatusFilePath != "" {
		t.Errorf("got %+v", c)
	}
	if len(notices) != 0 {
		t.Errorf("notices %v", notices)
	}
	for name, want := range map[string]string{
		"clusterName": "environment clusterName", "webServicePort": "environment PULSAR_PREFIX_webServicePort",
		"bindAddress": "t.conf:3", "logLevel": "--set", "statusFilePath": "environment statusFilePath",
	} {
		if got := c.source(name).String(); got != want {
			t.Errorf("%s comes from %s, want %s", name, got, want)
		}
	}
	if got := c.FromEnvironment(); !slices.Equal(got, []string{"clusterName", "webServicePort", "statusFilePath"}) {
		t.Errorf("set by the environment: %v", got)
	}
}

// Under whichever of its names, a setting of the environment counts more than the file.
func TestEnvironmentUnderAnotherName(t *testing.T) {
	c, notices := withEnvironment(t, "configurationMetadataStoreUrl=file", []string{"configurationMetadataStoreUrl=env"})
	if got := c.ConfigurationStore.Servers[0]; got != "env:2181" || len(notices) > 0 {
		t.Errorf("got %s, %v", got, notices)
	}
	c, _ = withEnvironment(t, "configurationMetadataStoreUrl=file", []string{"configurationStoreServers=env"})
	if got := c.ConfigurationStore.Servers[0]; got != "env:2181" {
		t.Errorf("got %s", got)
	}
}

// Variables of other programs do nothing: a name counts only if it is exactly that of a key.
func TestOtherVariablesAreNotKeys(t *testing.T) {
	c, notices := withEnvironment(t, "", []string{
		"CLUSTERNAME=x", "clustername=x", "webServicPort=1", "authenticationEnable=true", "zookeeperServers=z", "broken", "=C:=C:\\",
	})
	assertSame(t, c, Defaults())
	if len(notices) != 0 {
		t.Errorf("notices %v", notices)
	}
}

// Behind the prefix any name is meant as a key, and with it a value counts more than without.
func TestPrefixedVariables(t *testing.T) {
	c, notices := withEnvironment(t, "", []string{"PULSAR_PREFIX_clusterName=prefixed", "clusterName=plain", "PULSAR_PREFIX_webServicPort=1", "PULSAR_PREFIX_=1"})
	if c.ClusterName != "prefixed" {
		t.Errorf("got %s", c.ClusterName)
	}
	if got := kindsOf(notices); len(notices) != 3 || got["clusterName"] != Ignored || got["webServicPort"] != Unknown || got["PULSAR_PREFIX_"] != Ignored {
		t.Errorf("notices %v", notices)
	}
}

func TestVariablesOfTheJVM(t *testing.T) {
	c, notices := withEnvironment(t, "", []string{"PULSAR_MEM=-Xmx1g", "PULSAR_GC=-XX:+UseG1GC", "PULSAR_EXTRA_OPTS=-Dx=y", "PULSAR_LOG_LEVEL=info", "PULSAR_HOME=/pulsar"})
	assertSame(t, c, Defaults())
	if len(notices) != 4 {
		t.Errorf("notices %v", notices)
	}
	for _, n := range notices {
		if n.Kind != NoEffect || n.Source.Env != n.Key || n.Text == "" {
			t.Errorf("notice %s", n)
		}
	}
}

// A mistake names the variable.
func TestBadVariable(t *testing.T) {
	for _, variable := range []string{"webServicePort=x", "PULSAR_PREFIX_webServicePort=x"} {
		_, _, err := parse("t.conf", nil, []string{variable}, nil)
		wantError(t, err, "webServicePort=x (environment ", "from 0 to 65535")
	}
	_, _, err := parse("t.conf", nil, []string{"tokenSecretKey=hunter2", "PULSAR_PREFIX_cryptoKeyReaderFactoryClassName=Keys"}, nil)
	wantError(t, err, "environment PULSAR_PREFIX_cryptoKeyReaderFactoryClassName", "no Java here")
}
