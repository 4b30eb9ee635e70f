package pulsar

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/apache/pulsar-client-go/pulsar/crypto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The encryption here is Pulsar's own (PIP-4): payloads with AES-256-GCM under a
// data key, and the data key with RSA-OAEP under each public key. The client
// library has it, too, but takes a message that was tampered with for an empty
// one, reads only PKCS #1 keys, and races with itself on topics with partitions.

const (
	dataKeyBytes = 32
	// dataKeyAge is how long a data key is used. Public keys are read again with each.
	dataKeyAge = 10 * time.Minute
	// maxDataKeys bounds the data keys that a consumer remembers.
	maxDataKeys = 256
)

// encrypter encrypts for one producer. The client library may call it from
// several goroutines, one for each partition.
type encrypter struct {
	noKeys
	keys  *keyDirectory
	names []string

	mu      sync.Mutex
	aead    cipher.AEAD
	wrapped []*crypto.EncryptionKeyInfo // the data key for each of names
	made    time.Time
}

// newEncrypter fails when one of the keys is not there.
func newEncrypter(keys *keyDirectory, names []string) (*encrypter, error) {
	e := &encrypter{keys: keys, names: names}
	if err := e.renew(); err != nil {
		return nil, err
	}
	return e, nil
}

// renew makes a new data key.
func (e *encrypter) renew() error {
	dataKey := make([]byte, dataKeyBytes)
	_, _ = rand.Read(dataKey) // it never fails
	var wrapped []*crypto.EncryptionKeyInfo
	for _, name := range e.names {
		public, err := e.keys.public(name)
		if err != nil {
			return err
		}
		value, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public, dataKey, nil)
		if err != nil {
			return fmt.Errorf("the key %s%s: %w", name, publicSuffix, err)
		}
		wrapped = append(wrapped, crypto.NewEncryptionKeyInfo(name, value, nil))
	}
	aead, err := newAEAD(dataKey)
	if err != nil {
		return err
	}
	e.aead, e.wrapped, e.made = aead, wrapped, time.Now()
	return nil
}

func newAEAD(dataKey []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// current is the data key in use. A key that has gone meanwhile leaves the old
// one in use for as long again.
func (e *encrypter) current() (cipher.AEAD, []*crypto.EncryptionKeyInfo) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.made) > dataKeyAge {
		if err := e.renew(); err != nil {
			e.made = time.Now()
		}
	}
	return e.aead, e.wrapped
}

// Encrypt implements [crypto.MessageCrypto].
func (e *encrypter) Encrypt(_ []string, _ crypto.KeyReader, m crypto.MessageMetadataSupplier, payload []byte) ([]byte, error) {
	payload = unlessEmpty(m, payload)
	aead, wrapped := e.current()
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce)
	for _, key := range wrapped {
		m.UpsertEncryptionKey(*key)
	}
	m.SetEncryptionParam(nonce)
	return aead.Seal(nil, nonce, payload, nil), nil
}

// decrypter decrypts for one consumer or reader. It remembers data keys by how
// they come encrypted, so that only the first message of a data key costs the
// private key.
type decrypter struct {
	noKeys
	keys *keyDirectory

	mu    sync.Mutex
	known map[[sha256.Size]byte]cipher.AEAD
}

func newDecrypter(keys *keyDirectory) *decrypter {
	return &decrypter{keys: keys, known: map[[sha256.Size]byte]cipher.AEAD{}}
}

var errTampered = errors.New("the payload does not belong to its key")

// Decrypt implements [crypto.MessageCrypto].
func (d *decrypter) Decrypt(m crypto.MessageMetadataSupplier, payload []byte, _ crypto.KeyReader) ([]byte, error) {
	nonce := m.EncryptionParam()
	err := errNoKey
	for _, key := range m.EncryptionKeys() {
		aead, keyErr := d.dataKey(key.Name(), key.Key())
		if keyErr != nil {
			err = keyErr
			continue
		}
		if len(nonce) != aead.NonceSize() {
			return nil, errTampered
		}
		plain, openErr := aead.Open(nil, nonce, payload, nil)
		if openErr == nil {
			return readable(m, plain), nil
		}
		err = errTampered
	}
	return nil, err
}

// readable makes an empty payload one that the client library reads. From a
// message that says its payload is empty it takes what was encrypted; that has a
// size of 1 then, which nothing looks at.
func readable(m crypto.MessageMetadataSupplier, plain []byte) []byte {
	metadata, err := wireMetadata(m)
	if err != nil {
		return plain
	}
	fields := metadata.Descriptor().Fields()
	if metadata.Get(fields.ByName("uncompressed_size")).Uint() > 0 {
		return plain
	}
	metadata.Clear(fields.ByName("compression"))
	metadata.Set(fields.ByName("uncompressed_size"), protoreflect.ValueOfUint32(1))
	return []byte{}
}

// dataKey decrypts a data key with the private key of name.
func (d *decrypter) dataKey(name string, wrapped []byte) (cipher.AEAD, error) {
	digest := sha256.Sum256(append([]byte(name+"\x00"), wrapped...))
	d.mu.Lock()
	aead := d.known[digest]
	d.mu.Unlock()
	if aead != nil {
		return aead, nil
	}
	private, err := d.keys.private(name)
	if err != nil {
		return nil, err
	}
	plain, err := rsa.DecryptOAEP(sha1.New(), nil, private, wrapped, nil)
	if err != nil {
		return nil, fmt.Errorf("the key %s%s does not open the message", name, privateSuffix)
	}
	if aead, err = newAEAD(plain); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) >= maxDataKeys {
		clear(d.known)
	}
	d.known[digest] = aead
	return aead, nil
}
