package main

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/port"
)

var allDelivered = regexp.MustCompile(`\b[1-9][0-9]* delivered, 0 lost`)

// Load goes through TLS and a login by token; what is missing of them is named.
func TestOverTLSWithToken(t *testing.T) {
	ca, other := tlstest.New(t), tlstest.New(t)
	cert := ca.Issue("server", "ecdsa")
	ports, err := port.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // it never fails
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "bench"}).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	secretFile, tokenFile := filepath.Join(dir, "secret"), filepath.Join(dir, "token")
	for path, content := range map[string][]byte{secretFile: secret, tokenFile: []byte(token + "\n")} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	gateway.Start(t, gateway.Options{Embedded: true, Conf: map[string]string{
		"webServicePortTls": strconv.Itoa(ports[0]), "tlsCertificateFilePath": cert.CertFile, "tlsKeyFilePath": cert.KeyFile,
		"authenticationEnabled":   "true",
		"authenticationProviders": "org.apache.pulsar.broker.authentication.AuthenticationProviderToken",
		"tokenSecretKey":          "file://" + secretFile,
	}})
	target := "wss://localhost:" + strconv.Itoa(ports[0])
	load := func(args ...string) (code int, stdout, stderr string) {
		return command(t, append([]string{"e2e", target, "--rate", "200", "--warm-up", "0s", "--duration", "300ms"}, args...)...)
	}
	if code, stdout, stderr := load("--ca", ca.File, "--token-file", tokenFile); code != exitOK || !allDelivered.MatchString(stdout) {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if code, _, stderr := load("--ca", ca.File); code != exitRuntime || !strings.Contains(stderr, "401") {
		t.Errorf("without a token: exit code %d, %s", code, stderr)
	}
	if code, _, stderr := load("--ca", other.File, "--token-file", tokenFile); code != exitRuntime || !strings.Contains(stderr, "certificate") {
		t.Errorf("with another authority: exit code %d, %s", code, stderr)
	}
}
