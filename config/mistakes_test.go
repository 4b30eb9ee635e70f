package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A slip in a key that security depends on stops the start, wherever it is written.
func TestMistypedKeysOfSecurity(t *testing.T) {
	for name, meant := range map[string]string{
		"authenticationEnable":                    "authenticationEnabled",
		"AuthenticationEnabled":                   "authenticationEnabled",
		"autorisationEnabled":                     "authorizationEnabled",
		"authenticationProvider":                  "authenticationProviders",
		"tokenSecretKy":                           "tokenSecretKey",
		"tlsRequireTrustedClientCertsOnConnect":   "tlsRequireTrustedClientCertOnConnect",
		"tlsTrustCertFilePath":                    "tlsTrustCertsFilePath",
		"webServicePortTLS":                       "webServicePortTls",
		"brokerClientTLSEnable":                   "brokerClientTlsEnabled",
		"brokerClient_tlsHostnameVerificationOn":  "",
		"brokerClient_tlsTrustCertFilePath":       "brokerClient_tlsTrustCertsFilePath",
		"brokerClientAuthenticationParameter":     "brokerClientAuthenticationParameters",
		"tlsHostnameVerificationEnable":           "tlsHostnameVerificationEnabled",
		"webServicPort":                           "",
		"authenticationRefreshCheckMilliseconds":  "",
		"tlsEnabledInProxy":                       "",
		"tlsEnabledWithBroker":                    "",
		"tlsProtocols":                            "",
		"tlsCiphers":                              "",
		"servicePortTls":                          "",
		"brokerServicePortTls":                    "",
		"brokerServiceURLTLS":                     "",
		"brokerClientTlsTrustStore":               "",
		"brokerClientTlsKeyStoreType":             "",
		"forwardAuthorizationCredential":          "forwardAuthorizationCredentials",
		"authenticateOriginalAuthData":            "",
		"proxyRoles":                              "",
		"saslJaasClientAllowedIds":                "",
		"brokerClient_authParamMap":               "",
		"brokerClient_useTls":                     "",
		"brokerClient_tlsTrustStorePath":          "",
		"brokerClient_tlsKeyStorePath":            "",
		"brokerClient_tlsCiphers":                 "",
		"brokerClient_sslProvider":                "",
		"brokerClient_autoCertRefreshSeconds":     "",
		"brokerClient_connectionMaxIdleSeconds":   "",
		"brokerClient_tlsHostnameVerificationOff": "",
	} {
		set := name + "=hunter2"
		for where, parse := range map[string]func() error{
			"t.conf:2":    func() error { _, _, err := parse("t.conf", []byte("\n"+set), nil, nil); return err },
			"environment": func() error { _, _, err := parse("t.conf", nil, []string{envPrefix + set}, nil); return err },
			"--set":       func() error { _, _, err := parse("t.conf", nil, nil, []string{set}); return err },
		} {
			err := parse()
			if meant == "" {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			wantError(t, err, name+" ("+where, meant)
			var k *KeyError
			if !errors.As(err, &k) || k.Key != name {
				t.Errorf("%s: no KeyError: %v", name, err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: a value is shown: %v", name, err)
			}
		}
	}
	_, _, err := parse("t.conf", []byte("tokenSettingPrefix=my\nmytokenSecretKy=x"), nil, nil)
	wantError(t, err, "mytokenSecretKy (t.conf:2)", "tokenSecretKey")
}

const mistaken = "webServicePort=x\nbad=\\u12\nautenticationEnabled=true\nclusterName=c\nlogLevel=loud\ntokenSecretKey=hunter2\n=x\ncryptoKeyReaderFactoryClassName=Keys\n"

// Every mistake is named with its line, of whatever sort it is.
func TestEachMistakeWithItsLine(t *testing.T) {
	_, _, err := parse("t.conf", []byte(mistaken), []string{"reusePort=maybe"}, []string{"logFormat=xml", "oops"})
	wantError(t, err, "webServicePort=x (t.conf:1)", "t.conf:2: not a key=value line", "autenticationEnabled (t.conf:3)", "logLevel=loud (t.conf:5)",
		"cryptoKeyReaderFactoryClassName=Keys (t.conf:8)", "reusePort=maybe (environment reusePort)", "logFormat=xml (--set)", "--set number 2")
	if err != nil && strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret is shown: %v", err)
	}
}

// What only several keys together make wrong is named with a line, too.
func TestContradictionsWithTheirLines(t *testing.T) {
	for file, part := range map[string]string{
		"\nbrokerClient_tlsKeyFilePath=/k.pem":                                                       "brokerClient_tlsKeyFilePath=/k.pem (t.conf:2): it needs brokerClient_tlsCertificateFilePath",
		"\nwebServicePortTls=8443":                                                                   "webServicePortTls=8443 (t.conf:2)",
		"authenticationEnabled=true\nauthenticationProviders=" + ProviderBasic:                       "authenticationProviders (t.conf:2)",
		"authenticationEnabled=true\nauthenticationProviders=" + ProviderToken:                       "authenticationProviders (t.conf:2)",
		"authenticationEnabled=true\nauthenticationProviders=" + ProviderTLS:                         "authenticationProviders (t.conf:2)",
		tlsFile + "webServiceTlsProtocols=TLSv1.3\nwebServiceTlsCiphers=ECDHE-RSA-AES128-GCM-SHA256": "webServiceTlsProtocols (t.conf:4) and webServiceTlsCiphers (t.conf:5)",
	} {
		_, _, err := parse("t.conf", []byte(file), nil, nil)
		wantError(t, err, part)
	}
	for file, part := range map[string]string{
		"\nserviceUrlTls=https://b:8443":                "serviceUrlTls=https://b:8443 (t.conf:2)",
		"\nconfigurationMetadataStoreUrl=zk:z":          "t.conf:2",
		"\nconfigurationMetadataStoreUrl=etcd:http://e": "t.conf:2",
	} {
		c, _ := mustParse(t, file)
		wantError(t, c.RequireCluster(), part)
	}
}

// An invalid file is shown with what it says, what is not valid in it, and no secret.
func TestShowOfAnInvalidFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "websocket.conf")
	if err := os.WriteFile(path, []byte(mistaken), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	_, err := Show(&out, path, []string{"bindAddress=::1"}, []string{"statusFilePath=/f"})
	wantError(t, err, "webServicePort=x ("+path+":1)", "logLevel=loud")
	for _, want := range []string{
		"# " + path + ":1, not valid: it must be a whole number from 0 to 65535\nwebServicePort=x\n",
		"# " + path + ":5, not valid: it must be one of debug, info, warn, error\nlogLevel=loud\n",
		"# " + path + ":8, not valid: Java class", "\ncryptoKeyReaderFactoryClassName=Keys\n",
		"# " + path + ":4\nclusterName=c\n", "# environment bindAddress\nbindAddress=::1\n", "# --set\nstatusFilePath=/f\n",
		"\ntokenSecretKey=" + masked + "\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String()+err.Error(), "hunter2") {
		t.Error("a secret is shown")
	}
	if _, err := Show(&out, path+".gone", nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
