package tlsconf

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/lesismal/llib/std/crypto/tls"
	pkcs12 "software.sslmate.com/src/go-pkcs12"
)

// maxFile bounds a file with keys or certificates; a bundle of all public
// authorities has a quarter of a megabyte.
const maxFile = 16 << 20

// contents of some files, nil for those that are not configured.
type contents [][]byte

// sum tells contents apart; a file's length is part of it.
func (c contents) sum() (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, b := range c {
		_ = binary.Write(h, binary.BigEndian, uint64(len(b)))
		h.Write(b)
	}
	h.Sum(sum[:0])
	return sum
}

// fileReader reads files until one fails.
type fileReader struct{ err error }

func (r *fileReader) read(paths ...string) contents {
	all := make(contents, len(paths))
	for i, path := range paths {
		if path != "" && r.err == nil {
			all[i], r.err = readFile(path)
		}
	}
	return all
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = errors.New("it is too large")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// errJKS: the format is Java's own, protects its keys badly, and keytool itself
// warns of it.
var errJKS = errors.New("it is in Java's old format JKS, which is not read here: convert it with " +
	"keytool -importkeystore -srckeystore OLD -destkeystore NEW -deststoretype PKCS12")

func checkStore(b []byte) error {
	if bytes.HasPrefix(b, []byte{0xfe, 0xed, 0xfe, 0xed}) || bytes.HasPrefix(b, []byte{0xce, 0xce, 0xce, 0xce}) {
		return errJKS
	}
	return nil
}

func storeError(err error) error {
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return errors.New("the password is wrong")
	}
	return fmt.Errorf("not readable as PKCS12: %w", err)
}

// decodeIdentity takes the one private key of a store and its certificates.
func decodeIdentity(b []byte, password string) (*tls.Certificate, error) {
	if err := checkStore(b); err != nil {
		return nil, err
	}
	key, leaf, chain, err := pkcs12.DecodeChain(b, password)
	if err != nil {
		return nil, storeError(err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(signer.Public()) {
		return nil, errors.New("the first certificate does not belong to the private key")
	}
	cert := &tls.Certificate{PrivateKey: signer, Certificate: [][]byte{leaf.Raw}}
	for _, c := range chain {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	return cert, nil
}

// decodeTrust takes all certificates of a store: one that Java made marks them
// as trusted, one that openssl made does not.
func decodeTrust(b []byte, password string) ([]*x509.Certificate, error) {
	if err := checkStore(b); err != nil {
		return nil, err
	}
	if certs, err := pkcs12.DecodeTrustStore(b, password); err == nil && len(certs) > 0 {
		return certs, nil
	}
	//lint:ignore SA1019 the only way to certificates without Java's mark
	blocks, err := pkcs12.ToPEM(b, password)
	if err != nil {
		return nil, storeError(err)
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
		return nil, errors.New("it holds no certificate")
	}
	return certs, nil
}
