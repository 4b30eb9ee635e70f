package keystore

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	jks "github.com/pavlo-v-chernykh/keystore-go/v4"
)

func isJKS(b []byte) bool { return bytes.HasPrefix(b, []byte{0xfe, 0xed, 0xfe, 0xed}) }

var (
	errJKSPassword = errors.New("the password is wrong, or the file is damaged or not complete")
	errNoPassword  = errors.New("its password is needed")
	errKeyPassword = errors.New("the private key cannot be read with the store's password: if it has one of its own, " +
		"change that with keytool -keypasswd")
)

// openJKS reads a store whose checksum is right. The checksum is computed here before
// the library looks at the rest: that believes every length in the file, and one that
// is half written, as it may be when it is read again, must not end the process.
func openJKS(b []byte, password string) (store jks.KeyStore, bytePassword []byte, err error) {
	bytePassword, err = latin1(password)
	if err != nil {
		return store, nil, err
	}
	body, sum, whole := b, []byte(nil), len(b) >= sha1.Size
	if whole {
		body, sum = b[:len(b)-sha1.Size], b[len(b)-sha1.Size:]
	}
	if !whole || !bytes.Equal(sum, checksum(body, bytePassword)) {
		if password == "" {
			return store, nil, errNoPassword
		}
		return store, nil, errJKSPassword
	}
	store = jks.New(jks.WithOrderedAliases(), jks.WithCaseExactAliases())
	if err := store.Load(bytes.NewReader(b), bytePassword); err != nil {
		return store, nil, fmt.Errorf("not readable as JKS: %w", err)
	}
	return store, bytePassword, nil
}

// checksum is Java's: of the password in UTF-16, two words, and the store.
func checksum(body, password []byte) []byte {
	h := sha1.New()
	for _, c := range password {
		h.Write([]byte{0, c})
	}
	h.Write([]byte("Mighty Aphrodite"))
	h.Write(body)
	return h.Sum(nil)
}

// latin1 is the password in the form that the library takes: one byte a character.
func latin1(password string) ([]byte, error) {
	b := make([]byte, 0, len(password))
	for _, r := range password {
		if r > 0xff {
			return nil, errors.New("the password of a JKS store may have no characters beyond Latin-1 here: convert it to PKCS12 with keytool -importkeystore")
		}
		b = append(b, byte(r))
	}
	return b, nil
}

func jksIdentity(b []byte, password string) (Identity, error) {
	store, bytePassword, err := openJKS(b, password)
	if err != nil {
		return Identity{}, err
	}
	var aliases []string
	for _, alias := range store.Aliases() {
		if store.IsPrivateKeyEntry(alias) {
			aliases = append(aliases, alias)
		}
	}
	switch len(aliases) {
	case 1:
	case 0:
		return Identity{}, errNoKey
	default:
		return Identity{}, fmt.Errorf("it holds more than one private key (aliases %s): leave the one to use, and remove others with keytool -delete",
			strings.Join(aliases, ", "))
	}
	entry, err := store.GetPrivateKeyEntry(aliases[0], bytePassword)
	if err != nil {
		return Identity{}, fmt.Errorf("alias %s: %w", aliases[0], errKeyPassword)
	}
	key, err := x509.ParsePKCS8PrivateKey(entry.PrivateKey)
	if err != nil {
		return Identity{}, fmt.Errorf("alias %s: %w", aliases[0], err)
	}
	var chain []*x509.Certificate
	for _, c := range entry.CertificateChain {
		cert, err := x509.ParseCertificate(c.Content)
		if err != nil {
			return Identity{}, fmt.Errorf("alias %s: %w", aliases[0], err)
		}
		chain = append(chain, cert)
	}
	own, err := identity(key, chain)
	if err != nil {
		return Identity{}, fmt.Errorf("alias %s: %w", aliases[0], err)
	}
	return own, nil
}

// jksTrust takes what Java trusts: the certificates that were imported as trusted, and
// of private keys their own ones.
func jksTrust(b []byte, password string) ([]*x509.Certificate, error) {
	store, _, err := openJKS(b, password)
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for _, alias := range store.Aliases() {
		var content []byte
		if entry, err := store.GetTrustedCertificateEntry(alias); err == nil {
			content = entry.Certificate.Content
		} else if chain, err := store.GetPrivateKeyEntryCertificateChain(alias); err == nil && len(chain) > 0 {
			content = chain[0].Content
		} else {
			continue
		}
		cert, err := x509.ParseCertificate(content)
		if err != nil {
			return nil, fmt.Errorf("alias %s: %w", alias, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errNoCertificate
	}
	return certs, nil
}
