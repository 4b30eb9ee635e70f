package gateway

import (
	"fmt"
	"net"
	"strconv"

	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/server/tlsconf"
)

// CheckTLS reads the certificates that are shown to clients, without serving.
func CheckTLS(cfg *config.Config) error {
	_, err := loadTLS(cfg)
	return err
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

func tlsOptions(cfg *config.Config) tlsconf.Options {
	o := tlsconf.Options{
		RequireClientCertificate: cfg.TLSRequireClientCert,
		AllowInsecure:            cfg.TLSAllowInsecure,
		CipherSuites:             cfg.TLSCipherSuites().TLS12,
	}
	o.MinVersion, o.MaxVersion = cfg.TLSRange()
	if cfg.TLSEnabledWithKeyStore {
		o.KeyStore = tlsconf.Store{File: cfg.TLSKeyStore, Password: string(cfg.TLSKeyStorePassword)}
		o.TrustStore = tlsconf.Store{File: cfg.TLSTrustStore, Password: string(cfg.TLSTrustStorePassword)}
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
