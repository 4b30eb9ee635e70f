package config

import (
	"bytes"
	"fmt"
	"log/slog"
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
