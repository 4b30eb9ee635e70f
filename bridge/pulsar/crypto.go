package pulsar

import (
	"errors"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/crypto"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// decryption says what happens to encrypted messages: those for which there is a
// private key are decrypted, with the others it is as action, which is not FAIL,
// says.
func (u *Upstream) decryption(action bridge.CryptoFailureAction) *pulsar.MessageDecryptionInfo {
	failure := crypto.ConsumerCryptoFailureActionConsume
	if action == bridge.CryptoDiscard {
		failure = crypto.ConsumerCryptoFailureActionDiscard
	}
	info := &pulsar.MessageDecryptionInfo{KeyReader: noKeys{}, MessageCrypto: noKeys{}, ConsumerCryptoFailureAction: failure}
	if u.keys != nil {
		info.MessageCrypto = newDecrypter(u.keys)
	}
	return info
}

// readerDecryption is [Upstream.decryption] for a reader. There is nobody a reader
// could leave a message to, so FAIL passes it over; and pulsar-client-go, which
// would ask for it again, dereferences a nil pointer when it does so for a reader.
func (u *Upstream) readerDecryption(action bridge.CryptoFailureAction) *pulsar.MessageDecryptionInfo {
	if action == bridge.CryptoFail {
		action = bridge.CryptoDiscard
	}
	return u.decryption(action)
}

// encryption says how the messages of a producer are encrypted; nil: not at all.
// One that compresses has its empty payloads left as they are there, too.
func (u *Upstream) encryption(spec *bridge.ProducerSpec) (*pulsar.ProducerEncryptionInfo, error) {
	var messageCrypto crypto.MessageCrypto
	names := spec.EncryptionKeyNames()
	switch {
	case spec.ClientEncryption != "":
		keys, err := codec.ParseEncryptionKeys(spec.ClientEncryption)
		if err != nil {
			return nil, &bridge.Error{Kind: bridge.ErrInvalid, Detail: err.Error()}
		}
		if messageCrypto, err = newPassThrough(keys); err != nil {
			return nil, err
		}
		for _, key := range keys {
			names = append(names, key.Name)
		}
	case len(names) == 0 && spec.Compression == bridge.NoCompression:
		return nil, nil
	case len(names) == 0:
		messageCrypto = uncompressedEmpty{}
	case u.keys == nil:
		return nil, &bridge.Error{Kind: bridge.ErrInvalid, Detail: "encryptionKeys: no key reader is configured (cryptoKeyDirectory)"}
	default:
		e, err := newEncrypter(u.keys, names)
		if err != nil {
			return nil, &bridge.Error{Kind: bridge.ErrInvalid, Detail: "encryptionKeys: " + err.Error()}
		}
		messageCrypto = e
	}
	return &pulsar.ProducerEncryptionInfo{
		Keys: names, KeyReader: noKeys{}, MessageCrypto: messageCrypto,
		ProducerCryptoFailureAction: crypto.ProducerCryptoFailureActionFail,
	}, nil
}

// uncompressedEmpty encrypts nothing, and undoes the compression of empty payloads.
//
// The client library compresses those, too. Neither it nor other clients take
// account of that when they read them, and get what the compression made of nothing.
type uncompressedEmpty struct{ noKeys }

// Encrypt implements [crypto.MessageCrypto].
func (uncompressedEmpty) Encrypt(_ []string, _ crypto.KeyReader, m crypto.MessageMetadataSupplier, payload []byte) ([]byte, error) {
	return unlessEmpty(m, payload), nil
}

// unlessEmpty is a payload as it goes on, and nothing for one that was empty
// before it was compressed.
func unlessEmpty(m crypto.MessageMetadataSupplier, payload []byte) []byte {
	metadata, err := wireMetadata(m)
	if err != nil {
		return payload
	}
	fields := metadata.Descriptor().Fields()
	if metadata.Get(fields.ByName("uncompressed_size")).Uint() > 0 {
		return payload
	}
	metadata.Clear(fields.ByName("compression"))
	return nil
}

// noKeys has no key for any message. It is also the part of a
// [crypto.MessageCrypto] that the client library does not use of ours, which
// know their keys by themselves.
type noKeys struct{}

var errNoKey = errors.New("no key to decrypt with")

func (noKeys) PublicKey(string, map[string]string) (*crypto.EncryptionKeyInfo, error) {
	return nil, errNoKey
}

func (noKeys) PrivateKey(string, map[string]string) (*crypto.EncryptionKeyInfo, error) {
	return nil, errNoKey
}

func (noKeys) AddPublicKeyCipher([]string, crypto.KeyReader) error { return nil }
func (noKeys) RemoveKeyCipher(string) bool                         { return false }

func (noKeys) Encrypt([]string, crypto.KeyReader, crypto.MessageMetadataSupplier, []byte) ([]byte, error) {
	return nil, errNoKey
}

func (noKeys) Decrypt(crypto.MessageMetadataSupplier, []byte, crypto.KeyReader) ([]byte, error) {
	return nil, errNoKey
}
