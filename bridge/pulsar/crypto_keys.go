package pulsar

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/pulsegate/pulsegate/filename"
)

// keyDirectory holds the keys of message encryption: NAME.pub.pem to encrypt
// for NAME, NAME.key.pem to decrypt as NAME. RSA keys, as all of Pulsar's
// clients have them.
type keyDirectory string

const (
	publicSuffix  = ".pub.pem"
	privateSuffix = ".key.pem"
	maxKeyFile    = 64 << 10
)

// openKeys returns the directory at path; nil when path is empty.
func openKeys(path string) (*keyDirectory, error) {
	if path == "" {
		return nil, nil
	}
	if _, err := os.ReadDir(path); err != nil {
		return nil, fmt.Errorf("cryptoKeyDirectory: %w", filename.Fault(err, path))
	}
	d := keyDirectory(path)
	return &d, nil
}

// read returns the PEM block in the file of a key. Names come from clients and
// from messages: they cannot lead out of the directory. Errors do not tell where it is.
func (d keyDirectory) read(name, suffix string) (*pem.Block, error) {
	if name == "" || name[0] == '.' || strings.ContainsAny(name, "/\\\x00") || len(name) > 200 {
		return nil, fmt.Errorf("%q cannot be the name of a key", name)
	}
	root, err := os.OpenRoot(string(d))
	if err != nil {
		return nil, errors.New("the directory of the keys cannot be read")
	}
	defer func() { _ = root.Close() }()
	f, err := root.Open(name + suffix)
	if err != nil {
		return nil, fmt.Errorf("there is no key %s%s", name, suffix)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("the key %s%s cannot be read", name, suffix)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("the key %s%s is not in PEM", name, suffix)
	}
	return block, nil
}

func (d keyDirectory) public(name string) (*rsa.PublicKey, error) {
	block, err := d.read(name, publicSuffix)
	if err != nil {
		return nil, err
	}
	if key, err := x509.ParsePKCS1PublicKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if rsaKey, ok := key.(*rsa.PublicKey); err == nil && ok {
		return rsaKey, nil
	}
	return nil, notRSA(block, name+publicSuffix, "public")
}

func (d keyDirectory) private(name string) (*rsa.PrivateKey, error) {
	block, err := d.read(name, privateSuffix)
	if err != nil {
		return nil, err
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if rsaKey, ok := key.(*rsa.PrivateKey); err == nil && ok {
		return rsaKey, nil
	}
	return nil, notRSA(block, name+privateSuffix, "private")
}

// ellipticKey is the algorithm of keys on elliptic curves (RFC 5480 section 2.1.1).
var ellipticKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}

// notRSA says what is wrong with a key, and what to do if it is one that Pulsar's Java client takes: it encrypts data keys under
// elliptic curves as Bouncy Castle's ECIES does by default, for which no maintained Go library is known.
func notRSA(block *pem.Block, file, kind string) error {
	var public struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	var private struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	elliptic := strings.HasPrefix(block.Type, "EC ")
	if _, err := asn1.Unmarshal(block.Bytes, &public); err == nil {
		elliptic = elliptic || public.Algorithm.Algorithm.Equal(ellipticKey)
	}
	if _, err := asn1.Unmarshal(block.Bytes, &private); err == nil {
		elliptic = elliptic || private.Algorithm.Algorithm.Equal(ellipticKey)
	}
	if elliptic {
		return fmt.Errorf("the key %s is on an elliptic curve, and only RSA keys work here: "+
			"make an RSA key pair, or have the clients encrypt and decrypt", file)
	}
	return fmt.Errorf("the key %s is not a %s RSA key", file, kind)
}
