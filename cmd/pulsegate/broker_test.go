package main

import (
	"strings"
	"testing"
)

func TestBrokerConf(t *testing.T) {
	t.Chdir(t.TempDir())
	on, off := file(t, "webSocketServiceEnabled=true\n"), file(t, "webSocketServiceEnabled=false\n")
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"serve", "--broker-conf", off}, exitNotEnabled, "webSocketServiceEnabled=false"},
		{[]string{"config", "check", "--broker-conf", off}, exitNotEnabled, "webSocketServiceEnabled=false"},
		{[]string{"serve", "--broker-conf", on}, exitUsage, "--set webServicePort=PORT"},
		{[]string{"serve", "--broker-conf", "gone.conf"}, exitUsage, "gone.conf"},
		{[]string{"serve", "--broker-conf", on, "-c", on}, exitUsage, "broker-conf"},
		{[]string{"serve", "--broker-conf", on, "--embedded"}, exitUsage, "broker-conf"},
		{[]string{"config", "check", "--broker-conf", on, "--set", "webServicePort=1"}, exitOK, "ok: " + on},
		{[]string{"config", "show", "--broker-conf", on, "--set", "webServicePort=1"}, exitOK, "http://localhost:8080"},
	} {
		code, stdout, stderr := command(t, tc.args...)
		if code != tc.code || !strings.Contains(stdout+stderr, tc.want) {
			t.Errorf("%q: exit code %d, output %q %q", tc.args, code, stdout, stderr)
		}
	}
}
