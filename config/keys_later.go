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

var authKeys = []Key{
	refused(sectionAuth, "authenticationEnabled", "false", "Clients would have to log in. Not supported yet: true is refused, because everyone would be let in.", switchedOff()),
	refused(sectionAuth, "authorizationEnabled", "false", "Clients would need permission for a topic. Not supported yet: true is refused, because everything would be allowed.", switchedOff()),
	later(sectionAuth, "authenticationProviders", "", "Which kinds of login are accepted, as Java class names separated by commas."),
	later(sectionAuth, "authenticationRefreshCheckSeconds", "0", "Seconds between two checks that the tokens of open sessions are still valid."),
	later(sectionAuth, "authorizationProvider", "org.apache.pulsar.broker.authorization.PulsarAuthorizationProvider", "Java class that decides what a role may do."),
	later(sectionAuth, "authorizationAllowWildcardsMatching", "false", "Whether * stands for any text in a role."),
	later(sectionAuth, "superUserRoles", "", "Roles that may do everything, separated by commas."),
	later(sectionAuth, "anonymousUserRole", "", "Role of clients that do not log in."),
	laterSecret(sectionAuth, "tokenSecretKey", "Secret that tokens are signed with. Never printed."),
	later(sectionAuth, "tokenPublicKey", "", "Public key that tokens are checked with."),
	later(sectionAuth, "tokenPublicAlg", "RS256", "Signature algorithm that belongs to tokenPublicKey."),
	later(sectionAuth, "tokenAuthClaim", "sub", "Claim of a token that holds the role."),
	later(sectionAuth, "tokenAudienceClaim", "", "Claim of a token that names its audience."),
	later(sectionAuth, "tokenAudience", "", "The audience that a token must have been issued for."),
	later(sectionAuth, "tokenAllowedClockSkewSeconds", "0", "Seconds by which the clock of a token's issuer may be off."),
	later(sectionAuth, "tokenSettingPrefix", "", "What the names of the token keys start with."),
	laterSecret(sectionAuth, "basicAuthConf", "Users and password hashes of HTTP Basic, or a file with them. Never printed."),
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
