package gateway

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/keystore"
	"github.com/pulsegate/pulsegate/server/tlsconf"
)

// CheckTLS reads the certificates that are shown to clients, and the stores that are
// used towards the brokers, without serving. What is no error but should not stay is
// a warning.
func CheckTLS(cfg *config.Config) (warnings []string, err error) {
	source, err := loadTLS(cfg)
	if err != nil {
		return nil, err
	}
	if text := expired(cfg, source); text != "" {
		warnings = append(warnings, text)
	}
	return warnings, checkBrokerStores(cfg)
}

// loadTLS reads the certificates; nil when TLS is not spoken.
func loadTLS(cfg *config.Config) (*tlsconf.Source, error) {
	if cfg.WebServicePortTLS == config.NoPort {
		return nil, nil
	}
	source, err := tlsconf.Load(tlsOptions(cfg))
	if err != nil {
		return nil, fmt.Errorf("webServicePortTls=%d: %w", cfg.WebServicePortTLS, err)
	}
	return source, nil
}

// expired says that the certificate shown to clients is too old, "" if it is not. It
// does not stop the start: clients of the other port, and those that do not look, are
// served as before.
func expired(cfg *config.Config, source *tlsconf.Source) string {
	if source == nil || time.Now().Before(source.NotAfter()) {
		return ""
	}
	key, file := "tlsCertificateFilePath", cfg.TLSCertificateFile
	if cfg.TLSEnabledWithKeyStore {
		key, file = "tlsKeyStore", cfg.TLSKeyStore
	}
	return fmt.Sprintf("%s=%s: the certificate shown to clients expired on %s", key, file, source.NotAfter().UTC().Format(time.DateTime))
}

func checkBrokerStores(cfg *config.Config) error {
	if !cfg.BrokerClientUseKeyStore {
		return nil
	}
	trust, key := brokerStores(cfg)
	read := func(s keystore.Store, decode func([]byte, string) error) error {
		if s.File == "" {
			return nil
		}
		b, err := s.Read()
		if err != nil {
			return err
		}
		if err := decode(b, s.Password); err != nil {
			return s.Fault(err)
		}
		return nil
	}
	return errors.Join(
		read(trust, func(b []byte, password string) error { _, err := keystore.ReadTrust(b, password); return err }),
		read(key, func(b []byte, password string) error { _, err := keystore.ReadIdentity(b, password); return err }))
}

func tlsOptions(cfg *config.Config) tlsconf.Options {
	o := tlsconf.Options{
		RequireClientCertificate: cfg.TLSRequireClientCert,
		AllowInsecure:            cfg.TLSAllowInsecure,
		CipherSuites:             cfg.TLSCipherSuites().TLS12,
	}
	o.MinVersion, o.MaxVersion = cfg.TLSRange()
	if cfg.TLSEnabledWithKeyStore {
		o.KeyStore = keystore.Store{Setting: "tlsKeyStore", File: cfg.TLSKeyStore, Password: string(cfg.TLSKeyStorePassword)}
		o.TrustStore = keystore.Store{Setting: "tlsTrustStore", File: cfg.TLSTrustStore, Password: string(cfg.TLSTrustStorePassword)}
	} else {
		o.CertificateFile, o.KeyFile, o.TrustFile = cfg.TLSCertificateFile, cfg.TLSKeyFile, cfg.TLSTrustCertsFile
	}
	return o
}

// address is where to listen, "" for nowhere.
func address(cfg *config.Config, port int) string {
	if port == config.NoPort {
		return ""
	}
	return net.JoinHostPort(cfg.BindAddress, strconv.Itoa(port))
}
