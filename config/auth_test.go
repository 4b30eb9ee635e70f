package config

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// The Java proxy logs in only when both halves are there.
func TestHalfALogin(t *testing.T) {
	for _, line := range []string{"brokerClientAuthenticationPlugin=" + AuthToken, "brokerClientAuthenticationParameters=token:abc"} {
		c, notices := mustParse(t, line)
		assertSame(t, c, Defaults())
		if len(notices) != 1 || notices[0].Kind != Ignored {
			t.Errorf("%s: notices %v", line, notices)
		}
	}
}

// A key in the place of its file's path is a secret, whatever is wrong beside it; a path is none.
func TestKeysInPlaceOfTheirPaths(t *testing.T) {
	const path = "/etc/pulsegate/Production/EU-West-1/WebSocketGateway/PrivateKey"
	secrets := []string{
		"-----BEGIN PRIVATE KEY-----hunter2", "hunter2CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAA", `{"client_secret":"hunter2"}`, "data:;base64,hunter2",
	}
	var all []string
	for _, k := range Keys() {
		if k.kind.path {
			all = append(all, k.Name)
		}
	}
	want := []string{
		"brokerClientTrustCertsFilePath", "brokerClient_tlsCertificateFilePath", "brokerClient_tlsKeyFilePath", "brokerClient_tlsKeyStorePath",
		"brokerClient_tlsTrustStorePath", "statusFilePath", "tokenPublicKey", "openIDTokenIssuerTrustCertsFilePath", "tlsCertificateFilePath",
		"tlsKeyFilePath", "tlsTrustCertsFilePath", "tlsKeyStore", "tlsTrustStore", "cryptoKeyDirectory",
	}
	if !slices.Equal(all, want) {
		t.Errorf("keys with paths are %q", all)
	}
	for _, name := range append(all, "tokenSecretKey") {
		e := entry{name, "hunter2CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAA", Source{}}
		if err := valueError(byName[name], e, errValue); strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a fault shows it: %v", err)
		}
	}
	for _, name := range all {
		for _, secret := range secrets {
			before, _, _ := read("t.conf", []byte(name+"="+path), nil, nil)
			c, notices, err := read("t.conf", []byte(name+"="+secret), nil, nil)
			var was, is strings.Builder
			_, changes, failed := before.Reload(c)
			if err := errors.Join(before.Write(&was), c.Write(&is)); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(was.String(), "\n"+name+"="+path+"\n") {
				t.Errorf("%s: the path is not shown", name)
			}
			if !strings.Contains(is.String(), "\n"+name+"="+masked+"\n") {
				t.Errorf("%s=%s: not masked", name, secret)
			}
			if told := fmt.Sprint(is.String(), notices, changes, err, failed); strings.Contains(told, "hunter2") {
				t.Errorf("%s=%s: it is shown in %s", name, secret, told)
			}
		}
	}
}

// The lines of a key in PEM that is pasted behind a key of the configuration are not told of as unknown keys by their names.
func TestLinesOfAKeyInPEM(t *testing.T) {
	const line = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2"
	_, notices := mustParse(t, "tlsKeyFilePath=-----BEGIN PRIVATE KEY-----\n"+line+"\nmanagedLedgerMaxUnackedRangesToPersistInMetadataStore=1\n")
	told := fmt.Sprint(notices)
	for _, want := range []string{masked + " (t.conf:2): unknown key", "managedLedgerMaxUnackedRangesToPersistInMetadataStore (t.conf:3): unknown key"} {
		if !strings.Contains(told, want) {
			t.Errorf("no %q in %s", want, told)
		}
	}
	if strings.Contains(told, line) {
		t.Errorf("a line of a key is shown: %s", told)
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	var file strings.Builder
	for _, k := range Keys() {
		if k.Secret {
			fmt.Fprintf(&file, "%s=token:hunter2\n%s=hunter2\n", k.Name, k.Name)
		}
	}
	fmt.Fprintf(&file, "brokerClientAuthenticationPlugin=%s\nbrokerClient_authParams=hunter2x\nnoSuchPassword=hunter2\n", AuthToken)
	c, notices := mustParse(t, file.String(), "brokerClientAuthenticationParameters=hunter2")
	if c.BrokerClientAuthParams != "hunter2" {
		t.Fatal("the secret did not arrive")
	}
	var out bytes.Buffer
	if err := c.Write(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "brokerClientAuthenticationParameters="+masked) {
		t.Errorf("no mask in %s", out.String())
	}
	for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))} {
		log.Info("x", "config", *c, "secret", c.BrokerClientAuthParams)
		LogNotices(log, notices)
	}
	fmt.Fprintf(&out, "%v %+v %#v %s %q", c, *c, c.BrokerClientAuthParams, c.BrokerClientAuthParams, notices)
	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("a secret was printed: %s", out.String())
	}
}
