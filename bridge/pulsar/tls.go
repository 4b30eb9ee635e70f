package pulsar

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"

	"github.com/pulsegate/pulsegate/filename"
	"github.com/pulsegate/pulsegate/keystore"
)

// roots reads the trusted authorities; nil stands for the system's.
func (t TLS) roots() (*x509.CertPool, error) {
	if t.TrustCertsFile == "" && t.TrustStore.File != "" {
		return storeRoots(t.TrustStore)
	}
	if t.TrustCertsFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(t.TrustCertsFile)
	if err != nil {
		return nil, fmt.Errorf("trusted certificates: %w", filename.Fault(err, t.TrustCertsFile))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("trusted certificates: %s holds none", t.TrustCertsFile)
	}
	return pool, nil
}

func storeRoots(store keystore.Store) (*x509.CertPool, error) {
	b, err := store.Read()
	if err != nil {
		return nil, err
	}
	certs, err := keystore.ReadTrust(b, store.Password)
	if err != nil {
		return nil, store.Fault(err)
	}
	pool := x509.NewCertPool()
	for _, cert := range certs {
		pool.AddCert(cert)
	}
	return pool, nil
}

// dial returns how HTTPS connections are opened. Certificates and authorities
// are read for each, so that they may be renewed. login may have a certificate
// of its own.
func (t TLS) dial(login func() (*tls.Certificate, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		config, err := t.config(login)
		if err != nil {
			return nil, err
		}
		if config.ServerName, _, err = net.SplitHostPort(addr); err != nil {
			return nil, err
		}
		return (&tls.Dialer{Config: config}).DialContext(ctx, network, addr)
	}
}

// Dialer returns how HTTPS connections are opened that show no certificate of ours. It is
// an error if the trusted authorities cannot be read.
func (t TLS) Dialer() (func(ctx context.Context, network, addr string) (net.Conn, error), error) {
	t.CertificateFile, t.KeyFile = "", ""
	nobody := func() (*tls.Certificate, error) { return nil, nil }
	if _, err := t.config(nobody); err != nil {
		return nil, err
	}
	return t.dial(nobody), nil
}

func (t TLS) config(login func() (*tls.Certificate, error)) (*tls.Config, error) {
	roots, err := t.roots()
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: roots, InsecureSkipVerify: t.AllowInsecure || !t.VerifyHostname}
	if !t.AllowInsecure && !t.VerifyHostname {
		// All that is left out is whether the name fits.
		config.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, roots) }
	}
	cert, err := login()
	if err == nil && cert == nil && t.CertificateFile != "" {
		var own tls.Certificate
		own, err = tls.LoadX509KeyPair(t.CertificateFile, t.KeyFile)
		cert, err = &own, filename.Fault(err, t.CertificateFile, t.KeyFile)
	}
	if err != nil {
		return nil, err
	}
	if cert != nil {
		config.Certificates = []tls.Certificate{*cert}
	}
	return config, nil
}

// verifyChain checks that the other side's certificate comes from one of the authorities.
func verifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
	o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, cert := range state.PeerCertificates[1:] {
		o.Intermediates.AddCert(cert)
	}
	_, err := state.PeerCertificates[0].Verify(o)
	return err
}
