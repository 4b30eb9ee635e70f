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
	"slices"
	"sync"
	"time"

	client "github.com/pulsegate/pulsegate/pulsar"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// The encryption here is Pulsar's own (PIP-4): payloads with AES-256-GCM under a
// data key, and the data key with RSA-OAEP under each public key.

const (
	dataKeyBytes = 32
	// dataKeyAge is how long a data key is used. Public keys are read again with each.
	dataKeyAge = 10 * time.Minute
	// maxDataKeys bounds the data keys that are remembered.
	maxDataKeys = 1000
	// maxNames bounds how many of a message's keys are looked for here.
	maxNames = 64
)

// encrypter encrypts for one producer, on any goroutine.
type encrypter struct {
	keys  *keyDirectory
	names []string
	spawn func(func()) // runs what may block on a goroutine that is waited for

	mu       sync.Mutex // guards what follows
	key      dataKey
	made     time.Time
	renewing bool
}

// dataKey encrypts payloads.
type dataKey struct {
	aead    cipher.AEAD
	wrapped []wire.EncryptionKeys // itself, for each who may read
}

// newEncrypter fails when one of the keys is not there.
func newEncrypter(keys *keyDirectory, names []string, spawn func(func())) (*encrypter, error) {
	e := &encrypter{keys: keys, names: names, spawn: spawn, made: time.Now()}
	var err error
	if e.key, err = e.newDataKey(); err != nil {
		return nil, err
	}
	return e, nil
}

// newDataKey reads the public keys.
func (e *encrypter) newDataKey() (dataKey, error) {
	secret := make([]byte, dataKeyBytes)
	_, _ = rand.Read(secret) // it never fails
	var k dataKey
	for _, name := range e.names {
		public, err := e.keys.public(name)
		if err != nil {
			return k, err
		}
		value, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public, secret, nil)
		if err != nil {
			return k, fmt.Errorf("the key %s%s: %w", name, publicSuffix, err)
		}
		k.wrapped = append(k.wrapped, wire.EncryptionKeys{Key: name, Value: value})
	}
	var err error
	k.aead, err = newAEAD(secret)
	return k, err
}

func newAEAD(dataKey []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// current is the data key in use. When it is old a new one is made in the background.
func (e *encrypter) current() dataKey {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.renewing && time.Since(e.made) > dataKeyAge {
		e.renewing = true
		e.spawn(e.renew)
	}
	return e.key
}

// renew replaces the data key. A public key that has gone meanwhile leaves the old one in use for as
// long again.
func (e *encrypter) renew() {
	key, err := e.newDataKey()
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		e.key = key
	}
	e.made, e.renewing = time.Now(), false
}

// Encrypt implements [client.Encrypter].
func (e *encrypter) Encrypt(payload []byte) ([]byte, client.Encryption) {
	key := e.current()
	nonce := make([]byte, key.aead.NonceSize())
	_, _ = rand.Read(nonce)
	return key.aead.Seal(nil, nonce, payload, nil), client.Encryption{Keys: key.wrapped, Param: nonce}
}

// decrypter decrypts, on any goroutine. It remembers data keys by how they come encrypted, so that only the first
// message of a data key costs the private key.
type decrypter struct {
	keys *keyDirectory

	mu    sync.Mutex
	known map[[sha256.Size]byte]cipher.AEAD
}

func newDecrypter(keys *keyDirectory) *decrypter {
	return &decrypter{keys: keys, known: map[[sha256.Size]byte]cipher.AEAD{}}
}

var (
	errNoKey    = errors.New("no key to decrypt with")
	errTampered = errors.New("the payload does not belong to its key")
)

// decrypt is how consumers and readers decrypt; nil: there are no keys.
func (u *Upstream) decrypt() func(*wire.Metadata, []byte) ([]byte, error) {
	if u.decrypter == nil {
		return nil
	}
	return u.decrypter.decrypt
}

// decrypt is a [client.ConsumerOptions.Decrypt]. What a message says does not make it cost much: each private key is tried
// once.
func (d *decrypter) decrypt(m *wire.Metadata, payload []byte) ([]byte, error) {
	nonce, err := m.EncryptionParam, errNoKey
	for i := range m.EncryptionKeys[:min(len(m.EncryptionKeys), maxNames)] {
		key := &m.EncryptionKeys[i]
		if slices.ContainsFunc(m.EncryptionKeys[:i], func(tried wire.EncryptionKeys) bool { return tried.Key == key.Key }) {
			continue
		}
		aead, keyErr := d.dataKey(key.Key, key.Value)
		if keyErr != nil {
			err = keyErr
			continue
		}
		if len(nonce) != aead.NonceSize() {
			return nil, errTampered
		}
		plain, openErr := aead.Open(nil, nonce, payload, nil)
		if openErr == nil {
			return plain, nil
		}
		err = errTampered
	}
	return nil, err
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
