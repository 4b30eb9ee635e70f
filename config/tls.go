package config

import (
	"crypto/tls"
	"fmt"
	"strings"
)

// TLSVersions are the oldest and the newest version of TLS to speak, by their
// numbers in the protocol. older are the names of older versions, which are
// not spoken.
func (c *Config) TLSVersions() (oldest, newest uint16, older []string, err error) {
	if len(c.TLSProtocols) == 0 {
		return tls.VersionTLS12, tls.VersionTLS13, nil, nil
	}
	for _, name := range c.TLSProtocols {
		var version uint16
		switch strings.ToUpper(name) {
		case "TLSV1.2":
			version = tls.VersionTLS12
		case "TLSV1.3":
			version = tls.VersionTLS13
		case "SSLV2HELLO", "SSLV3", "TLSV1", "TLSV1.0", "TLSV1.1":
			older = append(older, name)
			continue
		default:
			return 0, 0, nil, errValue
		}
		if oldest == 0 || version < oldest {
			oldest = version
		}
		newest = max(newest, version)
	}
	if newest == 0 {
		return 0, 0, nil, errValue
	}
	return oldest, newest, older, nil
}

// CipherSuites are what webServiceTlsCiphers names.
type CipherSuites struct {
	TLS12   []uint16 // by their numbers in the protocol; empty when only TLS 1.3 is named, or nothing
	TLS13   bool     // a suite of TLS 1.3 is named
	Unknown []string // names of suites that are unknown or too weak
	Missing []string // suites of TLS 1.3 that are not named, while others are
}

// TLSCipherSuites finds the suites that are named.
func (c *Config) TLSCipherSuites() (found CipherSuites) {
	missing := map[uint16]string{}
	for _, name := range c.TLSCiphers {
		switch s := suiteByName[normalSuite(name)]; {
		case s == nil:
			found.Unknown = append(found.Unknown, name)
		case s.SupportedVersions[0] == tls.VersionTLS13:
			found.TLS13 = true
			missing[s.ID] = ""
		default:
			found.TLS12 = append(found.TLS12, s.ID)
		}
	}
	for _, s := range tls.CipherSuites() {
		if _, named := missing[s.ID]; found.TLS13 && !named && s.SupportedVersions[0] == tls.VersionTLS13 {
			found.Missing = append(found.Missing, s.Name)
		}
	}
	return found
}

// suiteByName holds the suites that Go does not call insecure, by what is left
// of their names in [normalSuite].
var suiteByName = func() map[string]*tls.CipherSuite {
	m := map[string]*tls.CipherSuite{}
	for _, s := range tls.CipherSuites() {
		m[normalSuite(s.Name)] = s
	}
	return m
}()

// normalSuite makes names of IANA, which Java uses, and of OpenSSL comparable:
// TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA is ECDHE-RSA-AES128-SHA there, and
// …_CHACHA20_POLY1305_SHA256 is …-CHACHA20-POLY1305.
func normalSuite(name string) string {
	name = strings.NewReplacer("_", "", "-", "").Replace(strings.ToUpper(strings.TrimSpace(name)))
	name = strings.TrimPrefix(name, "TLS")
	name = strings.NewReplacer("WITH", "", "CBC", "").Replace(name)
	return strings.Replace(name, "POLY1305SHA256", "POLY1305", 1)
}

// settleTLSPort drops the TLS port of a file that says tlsEnabled=false and names no
// certificate. In Pulsar up to 2.2 that switch decided, and the stock file has port 8443.
func (c *Config) settleTLSPort() []Notice {
	switched := c.settings[byName["tlsEnabled"]]
	if c.WebServicePortTLS == NoPort || switched.source == (Source{}) || !strings.EqualFold(switched.value, "false") ||
		c.TLSEnabledWithKeyStore || c.TLSCertificateFile != "" || c.TLSKeyFile != "" {
		return nil
	}
	c.WebServicePortTLS = NoPort
	return []Notice{{Kind: Ignored, Key: "webServicePortTls", Source: c.source("webServicePortTls"),
		Text: fmt.Sprintf("TLS is not spoken: tlsEnabled=false (%s), and tlsCertificateFilePath names no certificate", switched.source)}}
}

// settleTLS checks what the keys of TLS say together.
func (c *Config) settleTLS() (notices []Notice, errs []error) {
	note := func(kind NoticeKind, key, format string, args ...any) {
		if c.source(key) != (Source{}) {
			notices = append(notices, Notice{Kind: kind, Key: key, Source: c.source(key), Text: fmt.Sprintf(format, args...)})
		}
	}
	if c.WebServicePortTLS == NoPort {
		return nil, c.withoutTLS()
	}
	if c.WebServicePort == c.WebServicePortTLS && c.WebServicePort != 0 {
		errs = append(errs, c.faultOf("webServicePortTls", "webServicePort (%s) is the same", c.source("webServicePort")))
	}
	switch {
	case c.TLSEnabledWithKeyStore && c.TLSKeyStore == "":
		errs = append(errs, c.faultOf("webServicePortTls", "with tlsEnabledWithKeyStore=true (%s) it needs tlsKeyStore", c.source("tlsEnabledWithKeyStore")))
	case !c.TLSEnabledWithKeyStore && (c.TLSCertificateFile == "" || c.TLSKeyFile == ""):
		errs = append(errs, c.faultOf("webServicePortTls", "it needs tlsCertificateFilePath and tlsKeyFilePath, or tlsEnabledWithKeyStore=true with tlsKeyStore"))
	}
	unused := []string{"tlsKeyStore", "tlsTrustStore"}
	if c.TLSEnabledWithKeyStore {
		errs = append(errs, c.checkStore(c.TLSKeyStore, "tlsKeyStoreType", c.TLSKeyStoreType)...)
		errs = append(errs, c.checkStore(c.TLSTrustStore, "tlsTrustStoreType", c.TLSTrustStoreType)...)
		unused = []string{"tlsCertificateFilePath", "tlsKeyFilePath", "tlsTrustCertsFilePath"}
	}
	for _, key := range unused {
		note(Ignored, key, "tlsEnabledWithKeyStore=%v", c.TLSEnabledWithKeyStore)
	}
	if _, _, older, _ := c.TLSVersions(); len(older) > 0 {
		note(Ignored, "webServiceTlsProtocols", "%s cannot be spoken", strings.Join(older, ", "))
	}
	suites := c.TLSCipherSuites()
	if len(suites.Unknown) > 0 {
		note(Ignored, "webServiceTlsCiphers", "unknown or too weak: %s", strings.Join(suites.Unknown, ", "))
	}
	if len(suites.Missing) > 0 {
		note(Ignored, "webServiceTlsCiphers", "in TLS 1.3 %s cannot be switched off", strings.Join(suites.Missing, ", "))
	}
	if oldest, newest := c.TLSRange(); oldest > newest {
		errs = append(errs, fmt.Errorf("webServiceTlsProtocols (%s) and webServiceTlsCiphers (%s) together leave no version of TLS", c.source("webServiceTlsProtocols"), c.source("webServiceTlsCiphers")))
	}
	if c.TLSRequireClientCert {
		if c.trust() == "" {
			note(Risky, "tlsRequireTrustedClientCertOnConnect", "without tlsTrustCertsFilePath a certificate of any authority that the system knows will do")
		}
		if c.WebServicePort != NoPort {
			note(Risky, "tlsRequireTrustedClientCertOnConnect", "clients of webServicePort %d need no certificate; leave it empty to speak only TLS", c.WebServicePort)
		}
		if c.TLSAllowInsecure {
			note(Ignored, "tlsAllowInsecureConnection", "towards clients: tlsRequireTrustedClientCertOnConnect=true counts")
		}
	}
	return notices, errs
}

// withoutTLS checks a configuration that speaks no TLS.
func (c *Config) withoutTLS() (errs []error) {
	if c.WebServicePort == NoPort {
		errs = append(errs, fmt.Errorf("webServicePort is empty (%s), and so is webServicePortTls: nothing would be served", c.source("webServicePort")))
	}
	if c.TLSRequireClientCert {
		errs = append(errs, fmt.Errorf("tlsRequireTrustedClientCertOnConnect=true (%s) needs webServicePortTls: without TLS everyone would be let in",
			c.source("tlsRequireTrustedClientCertOnConnect")))
	}
	if s := c.settings[byName["tlsEnabled"]]; strings.EqualFold(s.value, "true") {
		errs = append(errs, fmt.Errorf("tlsEnabled=true (%s) is the old switch: set webServicePortTls for TLS towards clients, or remove it; towards the brokers brokerClientTlsEnabled counts", s.source))
	}
	return errs
}

// trust is the file with the authorities of client certificates, "" for none.
func (c *Config) trust() string {
	if c.TLSEnabledWithKeyStore {
		return c.TLSTrustStore
	}
	return c.TLSTrustCertsFile
}

// TLSRange are the versions of TLS to speak once the cipher suites are
// considered: a version of which no suite is named is not spoken.
func (c *Config) TLSRange() (oldest, newest uint16) {
	oldest, newest, _, _ = c.TLSVersions() // the names were checked when they were set
	switch suites := c.TLSCipherSuites(); {
	case len(c.TLSCiphers) == 0:
	case !suites.TLS13:
		newest = min(newest, tls.VersionTLS12)
	case len(suites.TLS12) == 0:
		oldest = max(oldest, tls.VersionTLS13)
	}
	return oldest, newest
}
