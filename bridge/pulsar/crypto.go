package pulsar

import (
	"errors"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/crypto"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/pulsar/wire"
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

// decrypt is how consumers and readers of our own client decrypt; nil: there are no keys.
func (u *Upstream) decrypt() func(*wire.Metadata, []byte) ([]byte, error) {
	if u.decrypter == nil {
		return nil
	}
	return u.decrypter.decrypt
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
