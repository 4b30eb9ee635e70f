package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/test/gateway"
)

// With --running the values are those of the process, whatever its file says by now, and secrets are masked.
func TestConfigShowOfARunningGateway(t *testing.T) {
	conf := map[string]string{
		"logLevel": "warn", "brokerClientAuthenticationPlugin": config.AuthToken, "brokerClientAuthenticationParameters": "hunter2",
	}
	g := gateway.Start(t, gateway.Options{Embedded: true, Conf: conf})
	conf["logLevel"] = "error"
	path := g.Configure(conf)

	code, stdout, stderr := command(t, "config", "show", "--running", "--url", g.HTTPURL())
	if code != exitOK || stderr != "" || strings.Contains(stdout, "hunter2") || !strings.Contains(stdout, "\nbrokerClientAuthenticationParameters=") {
		t.Errorf("exit code %d, %s %s", code, stdout, stderr)
	}
	if !strings.Contains(stdout, "# "+path+":") || !strings.Contains(stdout, "\nlogLevel=warn\n") {
		t.Errorf("expected what is in effect: %s", stdout)
	}
	if _, stdout, _ = command(t, "config", "show", "-c", path); !strings.Contains(stdout, "\nlogLevel=error\n") {
		t.Errorf("expected what the file says: %s", stdout)
	}
}

// Nothing is asked of a gateway without --running, and what is no configuration is not printed as one.
func TestConfigShowGoesWrong(t *testing.T) {
	for _, flag := range []string{"--url", "--tls-trust", "--token", "--token-file"} {
		if code, stdout, stderr := command(t, "config", "show", flag, "x"); code != exitUsage || stdout != "" || !strings.Contains(stderr, flag+": it needs --running") {
			t.Errorf("%s: exit code %d, %q %q", flag, code, stdout, stderr)
		}
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer s.Close()
	if code, stdout, stderr := command(t, "config", "show", "--running", "--url", s.URL); code != exitRuntime || stdout != "" || !strings.Contains(stderr, "is not from a pulsegate") {
		t.Errorf("exit code %d, %q %q", code, stdout, stderr)
	}
}
