// Package keystore reads the key stores and trust stores of Java: PKCS #12 files, and
// files in Java's own old format JKS. Which of the two a file is, it tells by itself.
// Java itself does the same, whatever type its configuration names.
//
// Errors name neither the file nor the password; who calls knows what to add.
package keystore

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	pkcs12 "software.sslmate.com/src/go-pkcs12"

	"github.com/pulsegate/pulsegate/filename"
)

// MaxSize bounds a store, in bytes; one of all public authorities has a quarter of
// a megabyte.
const MaxSize = 16 << 20

// Types are the formats that are read, by their names in Java. Case does not count.
var Types = []string{"JKS", "PKCS12"}

// KnownType reports whether name is one of [Types].
func KnownType(name string) bool {
	return slices.ContainsFunc(Types, func(t string) bool { return strings.EqualFold(t, name) })
}

// Store is a file as a configuration names it.
type Store struct {
	Setting        string // name of the setting that names File, for errors
	File, Password string
}

// Fault says what is wrong with the store.
func (s Store) Fault(err error) error {
	if filename.Fault(err, s.File) == filename.ErrNone {
		return fmt.Errorf("%s: %w", cmp.Or(s.Setting, "the file"), filename.ErrNone)
	}
	if s.Setting == "" {
		return fmt.Errorf("%s: %w", s.File, err)
	}
	return fmt.Errorf("%s=%s: %w", s.Setting, s.File, err)
}

// Read returns what is in the file, up to [MaxSize].
func (s Store) Read() ([]byte, error) {
	b, err := readFile(s.File)
	if err != nil {
		return nil, s.Fault(err)
	}
	return b, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		if p := (*os.PathError)(nil); errors.As(err, &p) {
			err = p.Err // who calls names the file
		}
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err == nil && len(b) > MaxSize {
		err = errors.New("it is too large")
	}
	return b, err
}

// Identity is a private key with its certificate, which is followed by those of the
// authorities.
type Identity struct {
	Key   crypto.Signer
	Chain []*x509.Certificate // never empty
}

// Raw is the chain as TLS sends it.
func (i Identity) Raw() [][]byte {
	raw := make([][]byte, len(i.Chain))
	for n, cert := range i.Chain {
		raw[n] = cert.Raw
	}
	return raw
}

// TLS is the identity as Go's TLS takes it.
func (i Identity) TLS() *tls.Certificate {
	return &tls.Certificate{PrivateKey: i.Key, Certificate: i.Raw(), Leaf: i.Chain[0]}
}

// ReadIdentity takes the one private key of a store.
func ReadIdentity(b []byte, password string) (Identity, error) {
	if isJKS(b) {
		return jksIdentity(b, password)
	}
	if err := checkFormat(b); err != nil {
		return Identity{}, err
	}
	key, first, others, err := pkcs12.DecodeChain(b, password)
	if err != nil {
		return Identity{}, pkcs12Error(err)
	}
	return identity(key, append([]*x509.Certificate{first}, others...))
}

// ReadTrust takes the certificates of a store that are trusted, one at least. In a
// PKCS #12 file that Java made they are marked; in one that openssl made they are all.
// One with a private key is refused: which of its certificates are marked, and which
// are no more than the key's chain, the library does not tell.
func ReadTrust(b []byte, password string) ([]*x509.Certificate, error) {
	if isJKS(b) {
		return jksTrust(b, password)
	}
	if err := checkFormat(b); err != nil {
		return nil, err
	}
	if certs, err := pkcs12.DecodeTrustStore(b, password); err == nil && len(certs) > 0 {
		return certs, nil
	}
	if _, _, _, err := pkcs12.DecodeChain(b, password); err == nil {
		return nil, errTrustWithKey
	}
	//lint:ignore SA1019 the only way to certificates without Java's mark
	blocks, err := pkcs12.ToPEM(b, password)
	if err != nil {
		return nil, pkcs12Error(err)
	}
	var certs []*x509.Certificate
	for _, block := range blocks {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errNoCertificate
	}
	return certs, nil
}

var (
	errNoKey         = errors.New("it holds no private key: is it a trust store?")
	errNoCertificate = errors.New("it holds no certificate")
	errTrustWithKey  = errors.New("it holds a private key, too: put the authorities into a store of their own, with keytool -importcert")
	errPEM           = errors.New("it is a PEM file, neither JKS nor PKCS12: there are settings of their own for such files")
	errJCEKS         = errors.New("it is in Java's format JCEKS, which is not read here: convert it with " +
		"keytool -importkeystore -srckeystore OLD -srcstoretype JCEKS -destkeystore NEW -deststoretype PKCS12")
)

// checkFormat refuses what can be told apart at its beginning.
func checkFormat(b []byte) error {
	if bytes.HasPrefix(b, []byte{0xce, 0xce, 0xce, 0xce}) {
		return errJCEKS
	}
	if block, _ := pem.Decode(b); block != nil {
		return errPEM
	}
	return nil
}

func pkcs12Error(err error) error {
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return errors.New("the password is wrong")
	// The library's errors of these kinds have no names.
	case strings.Contains(err.Error(), "private key missing"), strings.Contains(err.Error(), "certificate missing"):
		return errNoKey
	case strings.Contains(err.Error(), "exactly one key bag"):
		return errors.New("it holds more than one private key: leave the one to use")
	}
	return fmt.Errorf("neither JKS nor readable as PKCS12: %w", err)
}

// identity puts the key's own certificate first: a store may hold others before it.
func identity(key any, certs []*x509.Certificate) (Identity, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return Identity{}, fmt.Errorf("a key of type %T cannot sign", key)
	}
	own := slices.IndexFunc(certs, func(c *x509.Certificate) bool {
		public, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		return ok && public.Equal(signer.Public())
	})
	if own < 0 {
		return Identity{}, errors.New("none of its certificates belongs to the private key")
	}
	chain := []*x509.Certificate{certs[own]}
	for i, c := range certs {
		if i != own {
			chain = append(chain, c)
		}
	}
	return Identity{Key: signer, Chain: chain}, nil
}
