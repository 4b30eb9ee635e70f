package config

import (
	"errors"
	"time"
)

var tlsKeys = []Key{
	{
		Name: "webServicePortTls", Section: sectionTLS,
		Doc:  "TCP port for wss:// and https://, besides webServicePort or instead of it. 0: the system picks a free one and the log names it. Empty: no TLS.",
		kind: port(func(c *Config) *int { return &c.WebServicePortTLS }),
	},
	{Name: "tlsEnabled", Section: sectionTLS, Default: "false", Effect: WithoutEffect, kind: anything(),
		Doc: "Old switch for TLS on both sides. Use webServicePortTls towards clients and brokerClientTlsEnabled towards the brokers.",
	},
	{
		Name: "tlsCertificateFilePath", Section: sectionTLS,
		Doc:  "PEM file with the certificate shown to clients, followed by those of its authorities up to one that clients know.",
		kind: file(func(c *Config) *string { return &c.TLSCertificateFile }),
	},
	{
		Name: "tlsKeyFilePath", Section: sectionTLS,
		Doc:  "PEM file with the private key of that certificate, without a password.",
		kind: file(func(c *Config) *string { return &c.TLSKeyFile }),
	},
	{
		Name: "tlsTrustCertsFilePath", Section: sectionTLS,
		Doc:  "PEM file with the authorities that client certificates are checked against. When it is set, clients may show a certificate, and one from another authority ends the connection. For the brokers' certificates see brokerClientTrustCertsFilePath.",
		kind: file(func(c *Config) *string { return &c.TLSTrustCertsFile }),
	},
	{
		Name: "tlsRequireTrustedClientCertOnConnect", Section: sectionTLS, Default: "false",
		Doc:  "Admit only clients that show a trusted certificate on webServicePortTls.",
		kind: boolean(func(c *Config) *bool { return &c.TLSRequireClientCert }),
	},
	{
		Name: "tlsCertRefreshCheckDurationSec", Section: sectionTLS, Default: "300",
		Doc:  "Seconds between checks for newer certificate files. Open sessions stay as they are. 0: every second.",
		kind: seconds(func(c *Config) *time.Duration { return &c.TLSCertRefreshInterval }, 0, day),
	},
	{
		Name: "webServiceTlsProtocols", Section: sectionTLS,
		Doc: "TLS versions to accept, separated by commas: TLSv1.2, TLSv1.3. Empty: both. Older ones are never accepted.",
		kind: kind{accepts: "some of TLSv1.2, TLSv1.3 separated by commas", set: func(c *Config, v string) error {
			if err := list(func(c *Config) *[]string { return &c.TLSProtocols }).set(c, v); err != nil {
				return err
			}
			_, _, _, err := c.TLSVersions()
			return err
		}},
	},
	{
		Name: "webServiceTlsCiphers", Section: sectionTLS,
		Doc: "Cipher suites to accept, separated by commas, the most preferred first, by their names in Java or OpenSSL. Empty: those with forward secrecy and authenticated encryption. TLS 1.3 is used only if one of its suites is named, too, and then with all three of them.",
		kind: kind{accepts: "names of cipher suites separated by commas", set: func(c *Config, v string) error {
			if err := list(func(c *Config) *[]string { return &c.TLSCiphers }).set(c, v); err != nil {
				return err
			}
			if suites := c.TLSCipherSuites(); len(suites.TLS12) == 0 && !suites.TLS13 {
				return errors.New("none of these is supported")
			}
			return nil
		}},
	},
	{Name: "tlsProvider", Section: sectionTLS, Stock: []string{"Conscrypt"}, Effect: WithoutEffect, kind: anything(),
		Doc: "TLS library of the Java proxy, such as Conscrypt. There is only Go's here.",
	},
	{
		Name: "tlsEnabledWithKeyStore", Section: sectionTLS, Default: "false",
		Doc:  "Take the certificate and its key from tlsKeyStore and the authorities from tlsTrustStore, not from PEM files.",
		kind: boolean(func(c *Config) *bool { return &c.TLSEnabledWithKeyStore }),
	},
	{
		Name: "tlsKeyStoreType", Section: sectionTLS, Default: "JKS",
		Doc:  "Format of the key store: JKS or PKCS12. As in Java, the file itself tells which of the two it is, whatever this says.",
		kind: text(func(c *Config) *string { return &c.TLSKeyStoreType }),
	},
	{
		Name: "tlsKeyStore", Section: sectionTLS,
		Doc:  "Key store (JKS or PKCS12) with the certificate shown to clients and its private key, the only one in it, whose password is that of the store.",
		kind: file(func(c *Config) *string { return &c.TLSKeyStore }),
	},
	{
		Name: "tlsKeyStorePassword", Section: sectionTLS, Secret: true,
		Doc:  "Password of the key store. Never printed.",
		kind: secretText(func(c *Config) *Secret { return &c.TLSKeyStorePassword }),
	},
	{
		Name: "tlsTrustStoreType", Section: sectionTLS, Default: "JKS",
		Doc:  "Format of the trust store: JKS or PKCS12, told by the file itself as for the key store.",
		kind: text(func(c *Config) *string { return &c.TLSTrustStoreType }),
	},
	{
		Name: "tlsTrustStore", Section: sectionTLS,
		Doc:  "Trust store (JKS or PKCS12) with the authorities that client certificates are checked against.",
		kind: file(func(c *Config) *string { return &c.TLSTrustStore }),
	},
	{
		Name: "tlsTrustStorePassword", Section: sectionTLS, Secret: true,
		Doc:  "Password of the trust store. Never printed.",
		kind: secretText(func(c *Config) *Secret { return &c.TLSTrustStorePassword }),
	},

	{Name: "cryptoKeyReaderFactoryClassName", Section: sectionTLS, Effect: Unsupported, kind: javaClass(),
		Doc: "Java class with the keys for end-to-end encryption. There is no Java here: remove it, and name the directory of the keys in cryptoKeyDirectory.",
	},
	{
		Name: "cryptoKeyDirectory", Section: sectionTLS,
		Doc:  "Directory with the keys of message encryption. A producer opened with encryptionKeys=NAME encrypts with NAME.pub.pem; consumers and readers decrypt with NAME.key.pem, if it is there. RSA keys in PEM; new ones are used within ten minutes. Empty: neither; messages that clients encrypt themselves pass through.",
		kind: file(func(c *Config) *string { return &c.CryptoKeyDirectory }),
	},
}

// javaClass is the kind of a setting that names a Java class which would have to run here.
func javaClass() kind {
	return kind{accepts: "empty", set: func(*Config, string) error { return errUnsupported }}
}
