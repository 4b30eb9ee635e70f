// Package tlsconf makes the TLS configuration of a server from files, and makes
// it again when the files change.
//
// No goroutine runs here: the server's asks a [Source] now and then to look at the files. What it has read is the Source's only
// state; handshakes read it without a lock.
package tlsconf

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lesismal/llib/std/crypto/tls"

	"github.com/pulsegate/pulsegate/keystore"
)

// Options say where a server's certificates are and what it accepts.
type Options struct {
	// The certificate shown to clients, with the chain up to its authority, and its
	// private key, as PEM.
	CertificateFile, KeyFile string
	// KeyStore holds both of them instead, if its File is not empty.
	KeyStore keystore.Store

	// The authorities that clients' certificates are checked against, as PEM, or
	// instead from a store. With neither clients are asked for a certificate only if one
	// is required, and the authorities of the system count.
	TrustFile  string
	TrustStore keystore.Store

	// RequireClientCertificate refuses clients that show no trusted certificate.
	// Otherwise one that is shown must be trusted, and none is fine.
	RequireClientCertificate bool
	// AllowInsecure lets a client with a certificate that is not trusted in as if it
	// had shown none. It does not count when one is required.
	AllowInsecure bool

	MinVersion, MaxVersion uint16   // TLS 1.2 and 1.3 if 0
	CipherSuites           []uint16 // of TLS 1.2; those with forward secrecy and authenticated encryption if empty
}

// Source is the TLS configuration as of the latest look at the files. It may be
// used by any number of goroutines.
type Source struct {
	current atomic.Pointer[snapshot]
	mu      sync.Mutex // held while current is read in order to be replaced
}

// Reading is what options and the files they name make, before it is in use.
type Reading struct{ snapshot *snapshot }

// snapshot is what options and files made once. It is not changed.
type snapshot struct {
	o           *Options
	config      *tls.Config
	identity    [sha256.Size]byte // of the contents of the certificate's files
	authorities [sha256.Size]byte // of the contents of the others
	notAfter    time.Time
}

// Load reads the files. Its errors name the file.
func Load(o Options) (*Source, error) {
	now, err := o.read(nil)
	if err != nil {
		return nil, err
	}
	s := &Source{}
	s.current.Store(now)
	return s, nil
}

// Config is the configuration for a new connection. It must not be changed.
func (s *Source) Config() *tls.Config { return s.current.Load().config }

// NotAfter is when the certificate shown to clients expires.
func (s *Source) NotAfter() time.Time { return s.current.Load().notAfter }

// Refresh looks at the files again. When they changed, connections made from now
// on get what they hold; with an error all stays as it was.
func (s *Source) Refresh() (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.current.Load()
	now, err := before.o.read(before)
	if err != nil {
		return false, err
	}
	s.current.Store(now)
	return now != before, nil
}

// Read looks at the files that other options name. Nothing is changed until
// [Source.Use] is called with what it returns.
func (s *Source) Read(o Options) (Reading, error) {
	now, err := o.read(s.current.Load())
	return Reading{now}, err
}

// Use makes connections from now on get what was read. It reports whether that
// is something else than before.
func (s *Source) Use(r Reading) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current.Swap(r.snapshot) != r.snapshot
}

// read returns before if nothing changed since.
func (o *Options) read(before *snapshot) (*snapshot, error) {
	var files fileReader
	certificate, key, trust := o.files()
	identity := files.read(certificate, key, o.KeyStore)
	authorities := files.read(trust, o.TrustStore)
	if files.err != nil {
		return nil, files.err
	}
	now := &snapshot{o: o, identity: identity.sum(), authorities: authorities.sum()}
	if before != nil && reflect.DeepEqual(o, before.o) && now.identity == before.identity && now.authorities == before.authorities {
		return before, nil
	}
	var config *tls.Config
	if before != nil && o.acceptsAs(before.o) && now.authorities == before.authorities {
		config = before.config.Clone() // with the keys of the session tickets that clients have
	} else {
		config = o.newConfig()
		if err := o.trust(config, authorities); err != nil {
			return nil, err
		}
	}
	cert, err := o.certificate(identity)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.identityFile(), err)
	}
	cert.Leaf, now.notAfter = leaf, leaf.NotAfter
	config.Certificates = []tls.Certificate{*cert}
	now.config = config
	return now, nil
}

// files are the files in PEM, by the keys that name them.
func (o *Options) files() (certificate, key, trust keystore.Store) {
	return keystore.Store{Setting: "tlsCertificateFilePath", File: o.CertificateFile},
		keystore.Store{Setting: "tlsKeyFilePath", File: o.KeyFile},
		keystore.Store{Setting: "tlsTrustCertsFilePath", File: o.TrustFile}
}

// acceptsAs reports whether o differs from the other in the server's own
// certificate at most.
func (o *Options) acceptsAs(other *Options) bool {
	same := *other
	same.CertificateFile, same.KeyFile, same.KeyStore = o.CertificateFile, o.KeyFile, o.KeyStore
	return reflect.DeepEqual(*o, same)
}

func (o *Options) newConfig() *tls.Config {
	c := &tls.Config{
		MinVersion:   max(o.MinVersion, tls.VersionTLS12),
		MaxVersion:   o.MaxVersion,
		CipherSuites: o.CipherSuites,
		// What is fast on this CPU comes first. In TLS 1.3 a client that asks for
		// ChaCha20 first, as it has no instructions for AES, gets it.
		PreferServerCipherSuites: true,
		NextProtos:               []string{"http/1.1"},
		// Frames that leave together shall leave in as few records as possible.
		DynamicRecordSizingDisabled: true,
	}
	if c.MaxVersion == 0 {
		c.MaxVersion = tls.VersionTLS13
	}
	if len(c.CipherSuites) == 0 {
		c.CipherSuites = defaultSuites()
	}
	return c
}

func (o *Options) trust(c *tls.Config, authorities contents) error {
	given := o.TrustFile != "" || o.TrustStore.File != ""
	switch {
	case o.RequireClientCertificate:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	case o.AllowInsecure && given:
		c.ClientAuth = tls.RequestClientCert
	case given:
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	if !given {
		return nil
	}
	c.ClientCAs = x509.NewCertPool()
	if pem := authorities[0]; o.TrustFile != "" && !c.ClientCAs.AppendCertsFromPEM(pem) {
		_, _, trust := o.files()
		return trust.Fault(errors.New("it holds no certificate in PEM"))
	}
	if o.TrustStore.File == "" {
		return nil
	}
	certs, err := keystore.ReadTrust(authorities[1], o.TrustStore.Password)
	if err != nil {
		return o.TrustStore.Fault(err)
	}
	for _, cert := range certs {
		c.ClientCAs.AddCert(cert)
	}
	return nil
}

// Verified returns the client's certificate of a complete handshake if it leads to a
// trusted authority, else nil.
func (s *Source) Verified(state *tls.ConnectionState) *x509.Certificate {
	if len(state.PeerCertificates) == 0 {
		return nil
	}
	leaf := state.PeerCertificates[0]
	if len(state.VerifiedChains) > 0 {
		return leaf
	}
	// llib has not looked: untrusted ones are let in.
	v := x509.VerifyOptions{Roots: s.Config().ClientCAs, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, cert := range state.PeerCertificates[1:] {
		v.Intermediates.AddCert(cert)
	}
	if v.Roots == nil {
		return nil
	}
	if _, err := leaf.Verify(v); err != nil {
		return nil
	}
	return leaf
}

func (o *Options) identityFile() string {
	if o.KeyStore.File != "" {
		return o.KeyStore.File
	}
	return o.CertificateFile
}

func (o *Options) certificate(identity contents) (*tls.Certificate, error) {
	if o.KeyStore.File != "" {
		own, err := keystore.ReadIdentity(identity[2], o.KeyStore.Password)
		if err != nil {
			return nil, o.KeyStore.Fault(err)
		}
		return &tls.Certificate{PrivateKey: own.Key, Certificate: own.Raw()}, nil
	}
	if o.CertificateFile == "" || o.KeyFile == "" {
		return nil, errors.New("no certificate is configured")
	}
	certificate, key, _ := o.files()
	if bytes.Contains(identity[1], []byte("ENCRYPTED")) {
		return nil, key.Fault(errors.New("the private key is encrypted; it must be in PEM without a password"))
	}
	cert, err := tls.X509KeyPair(identity[0], identity[1])
	if err != nil {
		return nil, fmt.Errorf("%s=%s with %s=%s: %w", certificate.Setting, certificate.File, key.Setting, key.File, err)
	}
	return &cert, nil
}
