package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/config"
)

// What operators are shown of the configuration, and the log, hold no key that is in the place of its file's path.
func TestConfigForOperators(t *testing.T) {
	loaded, _, err := config.Load("", nil, []string{
		"bindAddress=127.0.0.1", "webServicePort=0", "statusFilePath=/run/pulsegate/up",
		"tlsKeyFilePath=-----BEGIN PRIVATE KEY-----hunter2", "tlsTrustStore=hunter2CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAA",
	})
	if err != nil {
		t.Fatal(err)
	}
	addr, log, _ := serve(t, func(c *config.Config) { *c = *loaded })
	resp, err := http.Get("http://" + addr + "/gateway/config")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	shown, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	for _, want := range []string{"\nstatusFilePath=/run/pulsegate/up\n", "\ntlsKeyFilePath=******\n", "\ntlsTrustStore=******\n"} {
		if !strings.Contains(string(shown), want) {
			t.Errorf("no %q in %s", want, shown)
		}
	}
	if strings.Contains(string(shown)+log.String(), "hunter2") {
		t.Errorf("a key is in %s%s", shown, log.String())
	}
}
