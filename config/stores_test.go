package config

import "testing"

// A store of a format that cannot be read is refused where it is used, and only there:
// the Java proxy does not look at it either.
func TestStoreTypes(t *testing.T) {
	const tls = "webServicePortTls=8443\ntlsEnabledWithKeyStore=true\ntlsKeyStore=/k\n"
	for _, tc := range []struct {
		file  string
		parts []string
	}{
		{tls + "tlsKeyStoreType=BCFKS", []string{"tlsKeyStoreType=BCFKS", "t.conf:4", "JKS, PKCS12", "keytool"}},
		{tls + "tlsTrustStore=/t\ntlsTrustStoreType=JCEKS", []string{"tlsTrustStoreType=JCEKS", "t.conf:5"}},
		{"brokerClient_useKeyStoreTls=true\nbrokerClient_tlsKeyStorePath=/k\nbrokerClient_tlsKeyStoreType=BKS", []string{"brokerClient_tlsKeyStoreType=BKS", "t.conf:3"}},
		{"brokerClientTlsEnabledWithKeyStore=true\nbrokerClientTlsTrustStore=/t\nbrokerClientTlsTrustStoreType=BKS", []string{"brokerClient_tlsTrustStoreType=BKS", "t.conf:3"}},
	} {
		_, _, err := parse("t.conf", []byte(tc.file), nil, nil)
		wantError(t, err, tc.parts...)
	}
	for _, file := range []string{
		tls + "tlsKeyStoreType=pkcs12\ntlsTrustStoreType=BCFKS",
		"tlsKeyStoreType=BCFKS\nbrokerClient_tlsKeyStoreType=BKS",
		"brokerClient_useKeyStoreTls=true\nbrokerClient_tlsTrustStoreType=BKS",
	} {
		if _, notices := mustParse(t, file); len(notices) != 0 {
			t.Errorf("%q: %v", file, notices)
		}
	}
}

// Of stores and PEM files towards the brokers one kind counts, and what does not is named.
func TestBrokerStoresOrFiles(t *testing.T) {
	const files = "brokerClientTrustCertsFilePath=/ca\nbrokerClient_tlsCertificateFilePath=/c\nbrokerClient_tlsKeyFilePath=/k\n"
	const stores = "brokerClientTlsTrustStore=/t\nbrokerClientTlsKeyStore=/k\nbrokerClientTlsKeyStorePassword=x\n"
	c, notices := mustParse(t, files+stores+"brokerClientTlsEnabledWithKeyStore=true")
	kinds := kindsOf(notices)
	for _, key := range []string{"brokerClientTrustCertsFilePath", "brokerClient_tlsCertificateFilePath", "brokerClient_tlsKeyFilePath"} {
		if kind, ok := kinds[key]; !ok || kind != Ignored {
			t.Errorf("%s: %v", key, notices)
		}
	}
	if len(notices) != 3 || c.BrokerClientTrustStore != "/t" || c.BrokerClientKeyStorePassword != "x" {
		t.Errorf("%+v %v", c, notices)
	}
	if _, notices = mustParse(t, files+stores); len(notices) != 2 || kindsOf(notices)["brokerClient_tlsKeyStorePath"] != Ignored {
		t.Errorf("%v", notices)
	}
}
