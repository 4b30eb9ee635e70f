package config

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// applied returns the lines of a file as bin/apply-config-from-env.py of Pulsar's
// containers leaves them: it knows a key by the last line that has it before a first
// equals sign, be it behind a # or not, and writes over that line; what only
// PULSAR_PREFIX_ brings comes last. Values are not escaped.
func applied(file string, environ []string) string {
	lines := strings.Split(strings.TrimSuffix(file, "\n"), "\n")
	last := map[string]int{}
	for i, line := range lines {
		if key, _, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			last[strings.TrimSpace(strings.TrimPrefix(key, "#"))] = i
		}
	}
	lines = append(lines, "")
	environ = slices.Sorted(slices.Values(environ))
	for _, prefix := range []string{"", envPrefix} {
		for _, variable := range environ {
			name, value, _ := strings.Cut(variable, "=")
			key, found := strings.CutPrefix(name, prefix)
			line := key + "=" + strings.TrimSpace(value)
			if i, known := last[key]; found && known {
				lines[i] = line
			} else if found && prefix != "" {
				lines = append(lines, line)
			}
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// A container that edits its file by the environment and one that is started with the
// environment have the same configuration, and so has one that does both.
func TestApplyConfigFromEnv(t *testing.T) {
	var explained bytes.Buffer
	if err := WriteDefaults(&explained); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"explained": explained.String(), "twice": "clusterName=a\n# clusterName=of the cluster\nwebServicePort=\n#webServicePort=1\n"}
	for _, version := range stockVersions {
		files[version] = stockFile(t, version)
	}
	environ := []string{
		"clusterName=env", "brokerServiceUrl=pulsar://b:6650", "PULSAR_PREFIX_serviceUrl= http://b:8080 ", "webServicePort=8000",
		"PULSAR_PREFIX_webSocketPingDurationSeconds=30", "PULSAR_PREFIX_brokerClient_connectionTimeoutMs=5000",
		"authenticationEnabled=true", "PULSAR_PREFIX_tokenSecretKey=file:///pulsar/keys/token/secret.key", "superUserRoles=admin, proxy",
		"authenticationProviders=" + ProviderTLS + "," + ProviderToken, "PULSAR_PREFIX_authenticationProviders=" + ProviderToken,
		"maxHttpServerConnections=0", "PULSAR_PREFIX_maxHttpServerConnections=0", "webSocketConnectionsPerBroker=2", "connectionsPerBroker=2",
		"tlsHostnameVerificationEnabled=true", "PULSAR_PREFIX_tlsHostnameVerificationEnabled=true", "PULSAR_MEM=-Xmx1g", "HOME=/root", "statusFilePath=",
	}
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			edited := applied(file, environ)
			if edited == file {
				t.Fatal("nothing was edited")
			}
			once, _ := withEnvironment(t, file, environ)
			if once.ClusterName != "env" || once.WebServicePort != 8000 || once.PingInterval == 0 || len(once.AuthenticationProviders) != 1 {
				t.Errorf("got %+v", once)
			}
			if name != "twice" { // of plain variables the script takes only those of keys that are in the file
				byScript, _ := withEnvironment(t, edited, nil)
				assertSame(t, byScript, once)
			}
			both, _ := withEnvironment(t, edited, environ)
			assertSame(t, both, once)
		})
	}
}
