package pulsar

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	client "github.com/pulsegate/pulsegate/pulsar"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// writeKeys makes a directory with keys; without the private one for names that
// begin with "public".
func writeKeys(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, name := range names {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		writeKey(t, filepath.Join(dir, name+publicSuffix), "PUBLIC KEY", public)
		if strings.HasPrefix(name, "public") {
			continue
		}
		private, kind := x509.MarshalPKCS1PrivateKey(key), "RSA PRIVATE KEY"
		if i%2 == 1 {
			kind = "PRIVATE KEY"
			if private, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
				t.Fatal(err)
			}
		}
		writeKey(t, filepath.Join(dir, name+privateSuffix), kind, private)
	}
	return dir
}

func writeKey(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEncryptAndDecrypt(t *testing.T) {
	dir := writeKeys(t, "k1", "k2", "public1")
	keys, err := openKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, names := range [][]string{{"k1"}, {"k2"}, {"k1", "k2"}, {"public1", "k2"}} {
		e, err := newEncrypter(keys, names, atOnce)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"", "a", strings.Repeat("long ", 10_000)} {
			sealed, m := encrypt(e, text)
			if len(m.EncryptionKeys) != len(names) || strings.Contains(string(sealed), "long long") {
				t.Fatalf("%v: not encrypted", names)
			}
			d := newDecrypter(keys)
			if plain, err := d.decrypt(m, sealed); err != nil || string(plain) != text {
				t.Errorf("%v: %q, %v", names, plain, err)
			}
			// Nothing that was tampered with passes for a message, empty or not.
			sealed[0] ^= 1
			if plain, err := d.decrypt(m, sealed); err == nil {
				t.Errorf("%v: tampered with, and decrypted to %q", names, plain)
			}
		}
	}
	e, err := newEncrypter(keys, []string{"public1"}, atOnce)
	if err != nil {
		t.Fatal(err)
	}
	sealed, m := encrypt(e, "x")
	if _, err := newDecrypter(keys).decrypt(m, sealed); err == nil {
		t.Error("decrypted without a private key")
	}
}

// encrypt returns a payload encrypted, and what a message says of it.
func encrypt(e *encrypter, text string) ([]byte, *wire.Metadata) {
	sealed, how := e.Encrypt([]byte(text))
	return sealed, &wire.Metadata{EncryptionKeys: how.Keys, EncryptionParam: how.Param}
}

// atOnce runs what is to run in the background.
func atOnce(f func()) { go f() }

// A data key is replaced when it is old, and one that cannot be is kept.
func TestDataKeyIsRenewed(t *testing.T) {
	dir := writeKeys(t, "k1")
	keys, err := openKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	var renewals sync.WaitGroup
	e, err := newEncrypter(keys, []string{"k1"}, func(f func()) { renewals.Go(f) })
	if err != nil {
		t.Fatal(err)
	}
	wrapped := func() string {
		_, m := encrypt(e, "x")
		return string(m.EncryptionKeys[0].Value)
	}
	age := func() {
		e.mu.Lock()
		e.made = e.made.Add(-2 * dataKeyAge)
		e.mu.Unlock()
	}
	first := wrapped()
	age()
	wrapped()
	renewals.Wait()
	second := wrapped()
	if second == first {
		t.Error("the old data key is used")
	}
	if err := os.Remove(filepath.Join(dir, "k1"+publicSuffix)); err != nil {
		t.Fatal(err)
	}
	age()
	wrapped()
	renewals.Wait()
	if wrapped() != second {
		t.Error("there is no key, and a new data key")
	}
}

// TestEllipticKeys tells who has keys on elliptic curves, as Java's client takes them, what to do.
func TestEllipticKeys(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	// With the curve spelled out, as Pulsar's handbook makes them (openssl ecparam -param_enc explicit), Go reads neither.
	explicit, err := asn1.Marshal(struct {
		Algorithm struct {
			OID        asn1.ObjectIdentifier
			Parameters struct{ Version int }
		}
		Key asn1.BitString
	}{Algorithm: struct {
		OID        asn1.ObjectIdentifier
		Parameters struct{ Version int }
	}{OID: asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}}, Key: asn1.BitString{Bytes: []byte{4}, BitLength: 8}})
	if err != nil {
		t.Fatal(err)
	}
	writeKey(t, filepath.Join(dir, "named"+publicSuffix), "PUBLIC KEY", public)
	writeKey(t, filepath.Join(dir, "named"+privateSuffix), "PRIVATE KEY", private)
	writeKey(t, filepath.Join(dir, "explicit"+publicSuffix), "PUBLIC KEY", explicit)
	writeKey(t, filepath.Join(dir, "explicit"+privateSuffix), "EC PARAMETERS", []byte("x"))
	keys, err := openKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"named", "explicit"} {
		_, private := keys.private(name)
		_, public := keys.public(name)
		for file, err := range map[string]error{name + privateSuffix: private, name + publicSuffix: public} {
			if err == nil || !strings.Contains(err.Error(), file+" is on an elliptic curve") || !strings.Contains(err.Error(), "RSA") {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

func TestBadKeys(t *testing.T) {
	dir := writeKeys(t, "k1")
	writeKey(t, filepath.Join(dir, "bad"+publicSuffix), "PUBLIC KEY", []byte("x"))
	if err := os.WriteFile(filepath.Join(dir, "text"+publicSuffix), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(filepath.Dir(dir), "out"+publicSuffix)
	writeKey(t, outside, "PUBLIC KEY", []byte("x"))
	if err := os.Symlink(outside, filepath.Join(dir, "link"+publicSuffix)); err != nil {
		t.Fatal(err)
	}
	keys, err := openKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	u := &Upstream{keys: keys}
	for name, want := range map[string]string{
		"none": "no key none.pub.pem", "bad": "not a public RSA key", "text": "not in PEM", "../out": "cannot be the name",
		"/etc/passwd": "cannot be the name", "": "cannot be the name", ".": "cannot be the name", "k1\x00": "cannot be the name", "link": "no key link",
	} {
		_, err := newEncrypter(keys, []string{name}, atOnce)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), dir) {
			t.Errorf("%q: %v", name, err)
		}
	}
	var o client.ProducerOptions
	if err := u.encryption(&bridge.ProducerSpec{EncryptionKeys: "k1,none"}, &producer{}, &o); bridgeKind(err) != bridge.ErrInvalid {
		t.Errorf("a missing key: %v", err)
	}
	if err := new(Upstream).encryption(&bridge.ProducerSpec{EncryptionKeys: "k1"}, &producer{}, &o); bridgeKind(err) != bridge.ErrInvalid || !strings.Contains(err.Error(), "encryptionKeys") {
		t.Errorf("no key reader: %v", err)
	}
	if err := u.encryption(&bridge.ProducerSpec{}, &producer{}, &o); o.Encrypter != nil || o.Encrypted || err != nil {
		t.Errorf("%+v %v", o, err)
	}
	if _, err := openKeys(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), dir+"/none: no such file") {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func bridgeKind(err error) error {
	if e, ok := err.(*bridge.Error); ok {
		return e.Kind
	}
	return nil
}
