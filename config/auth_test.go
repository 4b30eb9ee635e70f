package config

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
)

func TestBrokerClientAuth(t *testing.T) {
	for _, tc := range []struct {
		plugin, params string
		want           map[string]string
	}{
		{AuthToken, "token:abc", map[string]string{"token": "abc"}},
		{AuthToken, "abc", map[string]string{"token": "abc"}},
		{AuthToken, "file:///run/token", map[string]string{"file": "/run/token"}},
		{AuthToken, "file:/run/token", map[string]string{"file": "/run/token"}},
		{AuthToken, `{"token":"abc"}`, map[string]string{"token": "abc"}},
		{AuthTLS, "tlsCertFile:/c.pem, tlsKeyFile:/k.pem", map[string]string{"tlsCertFile": "/c.pem", "tlsKeyFile": "/k.pem"}},
		{AuthTLS, `{"tlsCertFile":"/c.pem","tlsKeyFile":"/k.pem"}`, map[string]string{"tlsCertFile": "/c.pem", "tlsKeyFile": "/k.pem"}},
		{AuthBasic, `{"userId":"u","password":"p:q"}`, map[string]string{"username": "u", "password": "p:q"}},
		{AuthOAuth2, `{"type":"client_credentials","issuerUrl":"https://i"}`, map[string]string{"type": "client_credentials", "issuerUrl": "https://i"}},
	} {
		c, notices := mustParse(t, "brokerClientAuthenticationPlugin="+tc.plugin+"\nbrokerClientAuthenticationParameters="+tc.params)
		plugin, params, err := c.BrokerClientAuth()
		if err != nil || plugin != tc.plugin || !maps.Equal(params, tc.want) || len(notices) > 0 {
			t.Errorf("%s %s: got %s %v %v %v", tc.plugin, tc.params, plugin, params, err, notices)
		}
	}
}

func TestBrokerClientAuthErrors(t *testing.T) {
	for _, params := range []string{`{"userId":"hunter2"`, `{"password":{"a":"hunter2"}}`, "hunter2"} {
		_, _, err := parse("t.conf", []byte("brokerClientAuthenticationPlugin="+AuthBasic+"\nbrokerClientAuthenticationParameters="+params), nil)
		wantError(t, err, "brokerClientAuthenticationParameters")
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}

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
