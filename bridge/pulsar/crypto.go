package pulsar

import (
	"errors"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/crypto"

	"github.com/pulsegate/pulsegate/bridge"
)

// decryption says what happens to encrypted messages: there is no key here, so
// none can be read.
func decryption(action bridge.CryptoFailureAction) *pulsar.MessageDecryptionInfo {
	if action == bridge.CryptoFail {
		return nil // what the library does without, at less cost
	}
	failure := crypto.ConsumerCryptoFailureActionDiscard
	if action == bridge.CryptoConsume {
		failure = crypto.ConsumerCryptoFailureActionConsume
	}
	return &pulsar.MessageDecryptionInfo{KeyReader: noKeys{}, ConsumerCryptoFailureAction: failure}
}

// noKeys has no key for any message.
type noKeys struct{}

var errNoKey = errors.New("no key to decrypt with")

func (noKeys) PublicKey(string, map[string]string) (*crypto.EncryptionKeyInfo, error) {
	return nil, errNoKey
}

func (noKeys) PrivateKey(string, map[string]string) (*crypto.EncryptionKeyInfo, error) {
	return nil, errNoKey
}
