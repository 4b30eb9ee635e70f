package pulsar

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAuthParams(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "key.json")
	write(t, key, []byte(`{"client_id":"secret","client_secret":"secret","issuer_url":"http://127.0.0.1:1"}`))
	const noAnswer = "\x00" // who is asked does not answer
	const class = "org.apache.pulsar.client.impl.auth.Authentication"
	for _, c := range []struct{ plugin, params, name, data string }{
		{"", "", "", ""},
		{class + "Token", "token:secret", "token", "secret"},
		{class + "Token", "secret", "token", "secret"},
		{class + "Token", "data:;base64,c2VjcmV0", "token", "secret"},
		{class + "Token", "data:,secret", "token", "secret"},
		{"token", `{"token":"secret"}`, "token", "secret"},
		{class + "Token", "file://" + file, "token", "secret"},
		{class + "Token", "file:" + file, "token", "secret"},
		{class + "Token", `{"file":"` + file + `"}`, "token", "secret"},
		{class + "Basic", `{"userId":"u","password":"p:w"}`, "basic", "u:p:w"},
		{"basic", "u:p", "basic", "u:p"},
		{"oauth2", `{"privateKey":"` + key + `"}`, "token", noAnswer},
		{class + "Athenz", `{"providerDomain":"p","tenantDomain":"t","tenantService":"s","privateKey":"` + file + `","ztsUrl":"http://127.0.0.1:1"}`, "athenz", noAnswer},
	} {
		p, err := newLogin(c.plugin, c.params)
		if err != nil {
			t.Errorf("%s %q: %v", c.plugin, c.params, err)
			continue
		}
		data, err := p.Data(t.Context())
		if c.data == noAnswer {
			if err == nil || p.Method() != c.name {
				t.Errorf("%s %q: %s, %v", c.plugin, c.params, p.Method(), err)
			}
			continue
		}
		if err != nil || p.Method() != c.name || string(data) != c.data {
			t.Errorf("%s %q: %s %q, %v", c.plugin, c.params, p.Method(), data, err)
		}
	}
}

func TestAuthParamsAtFault(t *testing.T) {
	for _, c := range []struct{ plugin, params, says string }{
		{"com.example.Custom", "secret", "brokerClientAuthenticationPlugin"},
		{"token", "", "no token"},
		{"token", `{"token":"secret`, "not a JSON object"},
		{"basic", "secret", "userId and a password"},
		{"basic", `{"userId":"secret"}`, "userId and a password"},
		{"tls", "tlsCertFile:secret", "tlsKeyFile"},
		{"tls", "secret", "key:value"},
		{"oauth2", `{"type":"other","secret":"secret"}`, "other"},
		{"oauth2", `{"privateKey":"/no/such/file","issuerUrl":"http://secret"}`, "privateKey: open /no/such/file"},
		{"athenz", `{"privateKey":"secret","ztsUrl":"secret"}`, "providerDomain"},
	} {
		_, err := newLogin(c.plugin, c.params)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %q: %v", c.plugin, c.params, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows the parameters: %v", err)
		}
	}
}

func TestParseAuthParams(t *testing.T) {
	for _, params := range []string{`{"a":"1","b":"x:/y"}`, "a:1,b:x:/y", " a : 1 , b:x:/y ,"} {
		p, err := parseAuthParams("tls", params)
		if err != nil || p["a"] != "1" || p["b"] != "x:/y" || len(p) != 2 {
			t.Errorf("%q: %v, %v", params, p, err)
		}
	}
}

// A key in the place of its file's path is not repeated.
func TestKeyInPlaceOfItsPath(t *testing.T) {
	const key = "-----BEGIN PRIVATE KEY-----secret"
	for _, c := range []struct{ plugin, params string }{
		{"tls", `{"tlsCertFile":"/no/such/file","tlsKeyFile":"` + key + `"}`}, {"tls", `{"tlsCertFile":"` + key + `","tlsKeyFile":"` + key + `"}`},
		{"token", `{"file":"` + key + `"}`}, {"keystoretls", `{"keyStorePath":"` + key + `"}`},
		{"oauth2", `{"privateKey":"` + key + `"}`},
		{"athenz", `{"providerDomain":"p","tenantDomain":"t","tenantService":"s","privateKey":"` + key + `","ztsUrl":"http://127.0.0.1:1"}`},
	} {
		l, err := newLogin(c.plugin, c.params)
		if err == nil {
			err = l.Check()
		}
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", c.plugin, err)
		}
	}
	files := TLS{TrustCertsFile: key}
	if _, err := files.Dialer(); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	if _, err := openKeys(key); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "cryptoKeyDirectory") {
		t.Error(err)
	}
}
