//go:build pulsar

package pulsar

import (
	"fmt"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/crypto"
	"github.com/apache/pulsar-client-go/pulsar/log"

	"github.com/pulsegate/pulsegate/bridge"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// noKeys is what of a [crypto.MessageCrypto] and of a [crypto.KeyReader] is not used here.
type noKeys struct {
	crypto.MessageCrypto
	crypto.KeyReader
}

func (noKeys) AddPublicKeyCipher([]string, crypto.KeyReader) error { return nil }

// asIs encrypts what it gets, as Java's client does: of an empty payload what
// the compression made of it.
type asIs struct {
	noKeys
	e *encrypter
}

func (a asIs) Encrypt(_ []string, _ crypto.KeyReader, m crypto.MessageMetadataSupplier, payload []byte) ([]byte, error) {
	sealed, how := a.e.Encrypt(payload)
	m.UpsertEncryptionKey(*crypto.NewEncryptionKeyInfo(how.Keys[0].Key, how.Keys[0].Value, nil))
	m.SetEncryptionParam(how.Param)
	return sealed, nil
}

// nativeCompressions are pulsar-client-go's.
var nativeCompressions = map[bridge.Compression]pulsar.CompressionType{
	bridge.NoCompression: pulsar.NoCompression, bridge.LZ4: pulsar.LZ4, bridge.ZLib: pulsar.ZLib,
	bridge.ZSTD: pulsar.ZSTD, bridge.Snappy: pulsar.SNAPPY,
}

// TestEmptyPayloads sends empty payloads compressed and encrypted, by a client
// that compresses them, which is what Java's does, and by ours. They arrive empty here, and what ours sends
// also at other clients.
func TestEmptyPayloads(t *testing.T) {
	c := pulsartest.Shared(t)
	ns := c.Namespace(t)
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL(), CryptoKeyDirectory: writeKeys(t, "k1")})
	defer u.Close()
	for compression, native := range nativeCompressions {
		for _, keys := range []string{"", "k1"} {
			t.Run(fmt.Sprintf("%d %s", compression, keys), func(t *testing.T) {
				ctx := testContext(t)
				topic := "persistent://" + ns + "/" + pulsartest.Name("t")
				o := pulsar.ProducerOptions{Topic: topic, CompressionType: native, DisableBatching: true}
				if keys != "" {
					e, err := newEncrypter(u.keys, []string{keys}, u.background)
					if err != nil {
						t.Fatal(err)
					}
					o.Encryption = &pulsar.ProducerEncryptionInfo{Keys: []string{keys}, KeyReader: noKeys{}, MessageCrypto: asIs{e: e}}
				}
				other, err := nativeClient(t, c).CreateProducer(o)
				if err != nil {
					t.Fatal(err)
				}
				defer other.Close()
				properties := map[string]string{"a": "1"}
				for _, m := range []*pulsar.ProducerMessage{{}, {Properties: properties}, {Payload: []byte("x")}} {
					if _, err := other.Send(ctx, m); err != nil {
						t.Fatal(err)
					}
				}
				sendAll(t, u, bridge.ProducerSpec{Topic: topic, Compression: compression, EncryptionKeys: keys, SendTimeout: time.Minute},
					&bridge.Outgoing{}, &bridge.Outgoing{Properties: properties}, &bridge.Outgoing{Payload: []byte("x")})

				in, _ := openEvents(t, u, bridge.ConsumerSpec{Topic: topic, Subscription: "s"})
				for i := range 6 {
					want := []string{"", "", "x"}[i%3]
					if m := nextMessage(t, in); string(m.Payload) != want || len(m.Properties) != i%3%2 {
						t.Errorf("message %d arrives as %x with %v", i, m.Payload, m.Properties)
					}
				}
				if keys != "" {
					return // the library's own consumer fails on any encrypted message that is empty
				}
				foreign, err := pulsar.NewClient(pulsar.ClientOptions{URL: c.BrokerURL(), Logger: log.DefaultNopLogger()})
				if err != nil {
					t.Fatal(err)
				}
				defer foreign.Close()
				sub, err := foreign.Subscribe(pulsar.ConsumerOptions{
					Topic: topic, SubscriptionName: "other", SubscriptionInitialPosition: pulsar.SubscriptionPositionEarliest,
				})
				if err != nil {
					t.Fatal(err)
				}
				defer sub.Close()
				ours := 0
				for ours < 2 { // it loses those without properties
					m, err := sub.Receive(ctx)
					if err != nil {
						t.Fatal(err)
					}
					if m.ProducerName() == other.Name() {
						continue
					}
					if want := []string{"", "x"}[ours]; string(m.Payload()) != want {
						t.Errorf("another client gets %x, want %q", m.Payload(), want)
					}
					ours++
				}
			})
		}
	}
}
