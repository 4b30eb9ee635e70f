package pulsar

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/pulsar-client-go/pulsar/crypto"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
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

// metadata is a [crypto.MessageMetadataSupplier].
type metadata struct {
	keys  []crypto.EncryptionKeyInfo
	param []byte
}

func (m *metadata) EncryptionKeys() []crypto.EncryptionKeyInfo       { return m.keys }
func (m *metadata) UpsertEncryptionKey(key crypto.EncryptionKeyInfo) { m.keys = append(m.keys, key) }
func (m *metadata) EncryptionParam() []byte                          { return m.param }
func (m *metadata) SetEncryptionParam(param []byte)                  { m.param = param }

func TestEncryptAndDecrypt(t *testing.T) {
	dir := writeKeys(t, "k1", "k2", "public1")
	keys, err := openKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, names := range [][]string{{"k1"}, {"k2"}, {"k1", "k2"}, {"public1", "k2"}} {
		e, err := newEncrypter(keys, names)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"", "a", strings.Repeat("long ", 10_000)} {
			var m metadata
			sealed, err := e.Encrypt(nil, nil, &m, []byte(text))
			if err != nil || len(m.keys) != len(names) || strings.Contains(string(sealed), "long long") {
				t.Fatalf("%v: %v", names, err)
			}
			d := newDecrypter(keys)
			if plain, err := d.Decrypt(&m, sealed, nil); err != nil || string(plain) != text {
				t.Errorf("%v: %q, %v", names, plain, err)
			}
			// Nothing that was tampered with passes for a message, empty or not.
			sealed[0] ^= 1
			if plain, err := d.Decrypt(&m, sealed, nil); err == nil {
				t.Errorf("%v: tampered with, and decrypted to %q", names, plain)
			}
		}
	}
	e, err := newEncrypter(keys, []string{"public1"})
	if err != nil {
		t.Fatal(err)
	}
	var m metadata
	sealed, _ := e.Encrypt(nil, nil, &m, []byte("x"))
	if _, err := newDecrypter(keys).Decrypt(&m, sealed, nil); err == nil {
		t.Error("decrypted without a private key")
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
		"none": "no key none.pub.pem", "bad": "no public RSA key", "text": "not in PEM", "../out": "cannot be the name",
		"/etc/passwd": "cannot be the name", "": "cannot be the name", ".": "cannot be the name", "k1\x00": "cannot be the name", "link": "no key link",
	} {
		_, err := newEncrypter(keys, []string{name})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), dir) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := u.encryption(&bridge.ProducerSpec{EncryptionKeys: "k1,none"}); bridgeKind(err) != bridge.ErrInvalid {
		t.Errorf("a missing key: %v", err)
	}
	if _, err := new(Upstream).encryption(&bridge.ProducerSpec{EncryptionKeys: "k1"}); bridgeKind(err) != bridge.ErrInvalid || !strings.Contains(err.Error(), "encryptionKeys") {
		t.Errorf("no key reader: %v", err)
	}
	if info, err := u.encryption(&bridge.ProducerSpec{}); info != nil || err != nil {
		t.Errorf("%v %v", info, err)
	}
	if _, err := openKeys(filepath.Join(dir, "none")); err == nil {
		t.Error("a directory that is not there")
	}
}

func bridgeKind(err error) error {
	if e, ok := err.(*bridge.Error); ok {
		return e.Kind
	}
	return nil
}

// The client library still keeps a message's metadata where [wireMetadata] looks.
func TestMetadataIsReached(t *testing.T) {
	if _, err := newPassThrough([]codec.EncryptionKey{{Name: "k", Value: []byte{1}}}); err != nil {
		t.Fatal(err)
	}
}
