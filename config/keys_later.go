package config

// switchedOff is the kind of a switch that cannot be thrown yet.
func switchedOff() kind {
	return kind{accepts: "false", set: func(_ *Config, v string) error {
		on, err := parseBool(v)
		if err == nil && on {
			return errUnsupported
		}
		return err
	}}
}

// leftEmpty is the kind of a setting that would switch something on that does not exist yet.
func leftEmpty() kind {
	return kind{accepts: "empty", set: func(*Config, string) error { return errUnsupported }}
}

func later(s Section, name, def, doc string) Key {
	return Key{Name: name, Section: s, Default: def, Doc: doc, Effect: WithoutEffect, kind: anything()}
}

func laterSecret(s Section, name, doc string) Key {
	k := later(s, name, "", doc)
	k.Secret = true
	return k
}

func refused(s Section, name, def, doc string, k kind) Key {
	return Key{Name: name, Section: s, Default: def, Doc: doc, Effect: Unsupported, kind: k}
}

var tlsKeys = []Key{
	refused(sectionTLS, "webServicePortTls", "", "Port for wss:// and https://. Not supported yet: leave it empty and let a load balancer end TLS.", leftEmpty()),
	refused(sectionTLS, "tlsEnabled", "false", "Old switch for TLS on both sides. Not supported yet towards clients: true is refused. Towards the brokers use brokerClientTlsEnabled.", switchedOff()),
	refused(sectionTLS, "tlsRequireTrustedClientCertOnConnect", "false", "Clients would have to show a trusted certificate. Not supported yet: true is refused.", switchedOff()),
	refused(sectionTLS, "tlsEnabledWithKeyStore", "false", "Take certificates from a key store. Not supported yet: true is refused.", switchedOff()),
	later(sectionTLS, "tlsCertificateFilePath", "", "PEM file with the certificate shown to clients."),
	later(sectionTLS, "tlsKeyFilePath", "", "PEM file with the private key of that certificate."),
	later(sectionTLS, "tlsTrustCertsFilePath", "", "PEM file with the authorities that client certificates are checked against. For the brokers' certificates see brokerClientTrustCertsFilePath."),
	later(sectionTLS, "tlsCertRefreshCheckDurationSec", "300", "Seconds between two looks at the certificate files for newer ones."),
	later(sectionTLS, "webServiceTlsProtocols", "", "TLS versions to accept, separated by commas."),
	later(sectionTLS, "webServiceTlsCiphers", "", "Cipher suites to accept, separated by commas."),
	later(sectionTLS, "tlsProvider", "", "TLS library of the Java proxy, such as Conscrypt."),
	later(sectionTLS, "tlsKeyStoreType", "JKS", "Format of the key store: JKS or PKCS12."),
	later(sectionTLS, "tlsKeyStore", "", "File with the certificate shown to clients and its private key."),
	laterSecret(sectionTLS, "tlsKeyStorePassword", "Password of the key store. Never printed."),
	later(sectionTLS, "tlsTrustStoreType", "JKS", "Format of the trust store: JKS or PKCS12."),
	later(sectionTLS, "tlsTrustStore", "", "File with the authorities that client certificates are checked against."),
	laterSecret(sectionTLS, "tlsTrustStorePassword", "Password of the trust store. Never printed."),

	refused(sectionTLS, "cryptoKeyReaderFactoryClassName", "", "Java class with the keys for end-to-end encryption in the proxy. Not supported yet: setting it is refused. Messages that clients encrypt themselves pass through.", leftEmpty()),
}
