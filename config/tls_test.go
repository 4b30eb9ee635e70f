package config

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"
)

const tlsFile = "webServicePortTls=8443\ntlsCertificateFilePath=/c.pem\ntlsKeyFilePath=/k.pem\n"

// What would run open although the file asks for protection is refused, and so is
// what cannot be served.
func TestContradictionsOfTLS(t *testing.T) {
	for _, tc := range []struct {
		file  string
		parts []string
	}{
		{"webServicePortTls=8443", []string{"webServicePortTls", "tlsCertificateFilePath", "tlsKeyFilePath", "tlsKeyStore"}},
		{"webServicePortTls=8443\ntlsCertificateFilePath=/c.pem", []string{"tlsKeyFilePath"}},
		{"webServicePortTls=8443\ntlsEnabledWithKeyStore=true", []string{"tlsKeyStore"}},
		{tlsFile + "webServicePort=8443", []string{"webServicePortTls=8443 (t.conf:1)", "webServicePort (t.conf:4)", "the same"}},
		{"webServicePort=", []string{"t.conf:1", "webServicePortTls", "nothing would be served"}},
		{"clusterName=c\ntlsRequireTrustedClientCertOnConnect=true", []string{"t.conf:2", "webServicePortTls"}},
		{"clusterName=c\ntlsEnabled=true", []string{"t.conf:2", "webServicePortTls", "brokerClientTlsEnabled"}},
		{tlsFile + "webServiceTlsProtocols=TLSv1.1", []string{"t.conf:4", "TLSv1.2"}},
		{tlsFile + "webServiceTlsProtocols=TLSv1.3\nwebServiceTlsCiphers=ECDHE-RSA-AES128-GCM-SHA256", []string{"no version of TLS"}},
		{tlsFile + "webServiceTlsCiphers=RC4-MD5,none", []string{"t.conf:4", "none of these"}},
		{"cryptoKeyReaderFactoryClassName=com.example.Keys", []string{"t.conf:1", "cryptoKeyDirectory"}},
	} {
		_, _, err := parse("t.conf", []byte(tc.file), nil, nil)
		wantError(t, err, tc.parts...)
	}
	mustParse(t, "tlsEnabled=False\nwebServicePortTls=\n")
	if c, notices := mustParse(t, tlsFile+"webServicePort="); c.WebServicePort != NoPort || len(notices) != 0 {
		t.Errorf("%+v %v", c, notices)
	}
}

func TestNoticesOfTLS(t *testing.T) {
	for _, tc := range []struct {
		file string
		key  string
		kind NoticeKind
		text string
	}{
		{"webServiceTlsProtocols=TLSv1.1,TLSv1.2", "webServiceTlsProtocols", Ignored, "TLSv1.1"},
		{"webServiceTlsCiphers=TLS_RSA_WITH_AES_128_CBC_SHA,ECDHE-RSA-AES128-SHA", "webServiceTlsCiphers", Ignored, "TLS_RSA_WITH_AES_128_CBC_SHA"},
		{"webServiceTlsCiphers=TLS_AES_256_GCM_SHA384", "webServiceTlsCiphers", Ignored, "TLS_AES_128_GCM_SHA256"},
		{"tlsKeyStore=/k.p12", "tlsKeyStore", Ignored, "tlsEnabledWithKeyStore=false"},
		{"tlsRequireTrustedClientCertOnConnect=true\nwebServicePort=", "tlsRequireTrustedClientCertOnConnect", Risky, "tlsTrustCertsFilePath"},
		{"tlsRequireTrustedClientCertOnConnect=true\ntlsTrustCertsFilePath=/ca", "tlsRequireTrustedClientCertOnConnect", Risky, "webServicePort 8080"},
		{"tlsEnabled=true", "tlsEnabled", NoEffect, "webServicePortTls"},
	} {
		_, notices := mustParse(t, tlsFile+tc.file)
		if len(notices) != 1 || notices[0].Kind != tc.kind || notices[0].Key != tc.key || !strings.Contains(notices[0].String(), tc.text) {
			t.Errorf("%q: %v", tc.file, notices)
		}
	}
}

func TestCipherNames(t *testing.T) {
	for name, want := range map[string]uint16{
		"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256":         tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		"ECDHE-RSA-AES128-GCM-SHA256":                   tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		"ecdhe-ecdsa-aes256-gcm-sha384":                 tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		"ECDHE-RSA-CHACHA20-POLY1305":                   tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		"ECDHE-RSA-AES256-SHA":                          tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
		"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA":          tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
	} {
		c := &Config{TLSCiphers: []string{name}}
		if got := c.TLSCipherSuites(); !slices.Equal(got.TLS12, []uint16{want}) || got.TLS13 {
			t.Errorf("%s: %+v", name, got)
		}
		if oldest, newest := c.TLSRange(); oldest != tls.VersionTLS12 || newest != tls.VersionTLS12 {
			t.Errorf("%s: versions %x to %x", name, oldest, newest)
		}
	}
	c := &Config{TLSCiphers: []string{"TLS_AES_256_GCM_SHA384"}}
	if got := c.TLSCipherSuites(); len(got.TLS12) != 0 || !got.TLS13 || len(got.Missing) != 2 {
		t.Errorf("%+v", got)
	}
	if oldest, newest := c.TLSRange(); oldest != tls.VersionTLS13 || newest != tls.VersionTLS13 {
		t.Errorf("versions %x to %x", oldest, newest)
	}
}
