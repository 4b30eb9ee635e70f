//go:build pulsar

package pulsar

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// outcome is a [bridge.SendDone].
type sendOutcome chan error

func (o sendOutcome) Sent(_ codec.MessageID, err error) { o <- err }

// sendAll publishes and waits for all confirmations.
func sendAll(t *testing.T, u *Upstream, spec bridge.ProducerSpec, messages ...*bridge.Outgoing) {
	t.Helper()
	p, err := u.CreateProducer(testContext(t), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	done := make(sendOutcome, len(messages))
	for _, m := range messages {
		p.Send(m, done)
	}
	for range messages {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

func openEvents(t *testing.T, u *Upstream, spec bridge.ConsumerSpec) (*events, bridge.Consumer) {
	t.Helper()
	e := newEvents()
	spec.Queue, spec.RedeliveryTick, spec.Earliest = 100, time.Second, true
	c, err := u.Subscribe(testContext(t), spec, e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.Permit(100)
	return e, c
}

func nextMessage(t *testing.T, e *events) *codec.Message {
	t.Helper()
	select {
	case m := <-e.messages:
		return m
	case <-testContext(t).Done():
		t.Fatal("no message")
		return nil
	}
}

func texts(s ...string) (list []*bridge.Outgoing) {
	for _, text := range s {
		list = append(list, &bridge.Outgoing{Payload: []byte(text), Properties: map[string]string{"p": text[:1]}})
	}
	return list
}

// What one upstream encrypts another with the private key reads; one without
// it does what the client asked for. And what cannot be read there, and is
// handed to a client with its context, comes back through a client that
// encrypts by itself, byte for byte.
func TestEncryption(t *testing.T) {
	c := pulsartest.Shared(t)
	topic := "persistent://" + c.Namespace(t)
	dir := writeKeys(t, "k1", "k2")
	with := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL(), CryptoKeyDirectory: dir})
	defer with.Close()
	without := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL()})
	defer without.Close()
	long := strings.Repeat("the same again, ", 1000)
	for name, compression := range map[string]bridge.Compression{"plain": bridge.NoCompression, "lz4": bridge.LZ4, "zstd": bridge.ZSTD, "zlib": bridge.ZLib, "snappy": bridge.Snappy} {
		t.Run(name, func(t *testing.T) {
			topic := topic + "/" + name
			sendAll(t, with, bridge.ProducerSpec{Topic: topic, EncryptionKeys: "k1,k2", Compression: compression, SendTimeout: 30 * time.Second}, texts("first", long)...)

			clear, _ := openEvents(t, with, bridge.ConsumerSpec{Topic: topic, Subscription: "clear"})
			for _, want := range []string{"first", long} {
				if m := nextMessage(t, clear); string(m.Payload) != want || m.Encryption != nil {
					t.Fatalf("decrypted to %.40q with %v", m.Payload, m.Encryption)
				}
			}

			sealed, _ := openEvents(t, without, bridge.ConsumerSpec{Topic: topic, Subscription: "sealed", CryptoFailure: bridge.CryptoConsume})
			var got []*codec.Message
			for range 2 {
				m := nextMessage(t, sealed)
				if m.Encryption == nil || len(m.Encryption.Keys) != 2 || len(m.Encryption.Param) != 12 || strings.Contains(string(m.Payload), "the same again") {
					t.Fatalf("passed on as %.40q with %+v", m.Payload, m.Encryption)
				}
				got = append(got, m)
			}
			if e := got[1].Encryption; e.UncompressedMessageSize != len(long) || !strings.EqualFold(e.CompressionType, map[string]string{"plain": "NONE"}[name]+strings.TrimPrefix(name, "plain")) {
				t.Errorf("compression %s, size %d", e.CompressionType, e.UncompressedMessageSize)
			}

			again := topic + "-again"
			var frames []*bridge.Outgoing
			for _, m := range got {
				frames = append(frames, &bridge.Outgoing{
					Payload: m.Payload, Properties: m.Properties,
					EncryptionParam: base64.StdEncoding.EncodeToString(m.Encryption.Param), CompressionType: m.Encryption.CompressionType,
					UncompressedMessageSize: m.Encryption.UncompressedMessageSize, HasUncompressedMessageSize: true,
				})
			}
			sendAll(t, without, bridge.ProducerSpec{Topic: again, ClientEncryption: clientKeys(t, got[0].Encryption.Keys), SendTimeout: 30 * time.Second, Batching: true}, frames...)
			clear, _ = openEvents(t, with, bridge.ConsumerSpec{Topic: again, Subscription: "clear"})
			for i, want := range []string{"first", long} {
				if m := nextMessage(t, clear); string(m.Payload) != want || m.Properties["p"] != want[:1] {
					t.Errorf("message %d came back as %.40q, %v", i, m.Payload, m.Properties)
				}
			}
			sealed, _ = openEvents(t, without, bridge.ConsumerSpec{Topic: again, Subscription: "sealed", CryptoFailure: bridge.CryptoConsume})
			for i, before := range got {
				if m := nextMessage(t, sealed); string(m.Payload) != string(before.Payload) || asJSON(t, m.Encryption) != asJSON(t, before.Encryption) {
					t.Errorf("message %d changed on its way: %s, was %s", i, asJSON(t, m.Encryption), asJSON(t, before.Encryption))
				}
			}
		})
	}
}

// clientKeys is what a client that encrypts by itself would send.
func clientKeys(t *testing.T, keys []codec.EncryptionKey) string {
	t.Helper()
	all := map[string]any{}
	for _, k := range keys {
		all[k.Name] = map[string]any{"keyValue": base64.StdEncoding.EncodeToString(k.Value), "metadata": k.Metadata}
	}
	return base64.StdEncoding.EncodeToString([]byte(asJSON(t, all)))
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	if e, ok := v.(*codec.EncryptionContext); ok {
		c := *e
		byName := map[string]codec.EncryptionKey{}
		for _, k := range c.Keys {
			byName[k.Name] = k
		}
		c.Keys = nil
		return asJSON(t, []any{c, byName})
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A reader and every kind of failure, and a key that comes later.
func TestCannotDecrypt(t *testing.T) {
	c := pulsartest.Shared(t)
	topic := "persistent://" + c.Namespace(t) + "/t"
	dir, other := writeKeys(t, "k1"), writeKeys(t, "k1", "k2")
	with := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL(), CryptoKeyDirectory: dir})
	defer with.Close()
	wrong := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL(), CryptoKeyDirectory: other})
	defer wrong.Close()
	sendAll(t, with, bridge.ProducerSpec{Topic: topic, EncryptionKeys: "k1"}, texts("sealed")...)
	sendAll(t, with, bridge.ProducerSpec{Topic: topic}, texts("open")...)

	discard, _ := openEvents(t, wrong, bridge.ConsumerSpec{Topic: topic, Subscription: "discard", CryptoFailure: bridge.CryptoDiscard})
	if m := nextMessage(t, discard); string(m.Payload) != "open" {
		t.Errorf("DISCARD: got %q", m.Payload)
	}
	consume, _ := openEvents(t, wrong, bridge.ConsumerSpec{Topic: topic, Subscription: "consume", CryptoFailure: bridge.CryptoConsume})
	if m := nextMessage(t, consume); m.Encryption == nil || m.Encryption.Keys[0].Name != "k1" {
		t.Errorf("CONSUME: got %q, %+v", m.Payload, m.Encryption)
	}
	// FAIL keeps it for a consumer that has the key.
	spec := bridge.ConsumerSpec{Topic: topic, Subscription: "fail", Type: bridge.Shared}
	fail, member := openEvents(t, wrong, spec)
	m := nextMessage(t, fail)
	if string(m.Payload) != "open" {
		t.Errorf("FAIL: got %q", m.Payload)
	}
	member.Ack(m.ID)
	member.Close()
	later, _ := openEvents(t, with, spec)
	if m := nextMessage(t, later); string(m.Payload) != "sealed" {
		t.Errorf("FAIL, then with the key: got %q", m.Payload)
	}

	// A reader without the key passes it over, with FAIL too.
	for _, action := range []bridge.CryptoFailureAction{bridge.CryptoFail, bridge.CryptoDiscard} {
		e := newEvents()
		r, err := wrong.OpenReader(testContext(t), bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest, Queue: 10, CryptoFailure: action}, e)
		if err != nil {
			t.Fatal(err)
		}
		r.Permit(10)
		if m := nextMessage(t, e); string(m.Payload) != "open" {
			t.Errorf("reader, action %d: got %q", action, m.Payload)
		}
		r.Close()
	}

	e := newEvents()
	r, err := with.OpenReader(testContext(t), bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest, Queue: 10}, e)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.Permit(10)
	for _, want := range []string{"sealed", "open"} {
		if m := nextMessage(t, e); string(m.Payload) != want {
			t.Errorf("reader: got %q, want %q", m.Payload, want)
		}
	}
}

// Batches that cannot be decrypted do not stop a consumer: the broker counts all
// their messages, and more come behind.
func TestBatchesThatCannotBeDecrypted(t *testing.T) {
	c := pulsartest.Shared(t)
	topic := "persistent://" + c.Namespace(t) + "/t"
	with := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL(), CryptoKeyDirectory: writeKeys(t, "k1")})
	defer with.Close()
	without := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL()})
	defer without.Close()
	const batches, size = 5, 10
	sealed := bridge.ProducerSpec{Topic: topic, EncryptionKeys: "k1", Batching: true, BatchingMaxPending: size, BatchingMaxDelay: 3 * time.Second}
	for range batches {
		sendAll(t, with, sealed, texts(strings.Split("0123456789", "")...)...)
	}
	sendAll(t, with, bridge.ProducerSpec{Topic: topic}, texts("open")...)
	for _, action := range []bridge.CryptoFailureAction{bridge.CryptoFail, bridge.CryptoDiscard, bridge.CryptoConsume} {
		in, _ := openEvents(t, without, bridge.ConsumerSpec{
			Topic: topic, Subscription: fmt.Sprint(action), Type: bridge.Shared, CryptoFailure: action,
		})
		m := nextMessage(t, in)
		for n := 0; action == bridge.CryptoConsume && n < batches; n++ {
			if m.Encryption == nil || m.Encryption.BatchSize != size {
				t.Fatalf("CONSUME: got %q, %+v", m.Payload, m.Encryption)
			}
			m = nextMessage(t, in)
		}
		if string(m.Payload) != "open" {
			t.Errorf("action %d: got %q", action, m.Payload)
		}
	}
}

// A namespace that demands encryption takes what is encrypted, here or by the client, and refuses at once who does not
// encrypt.
func TestEncryptionRequired(t *testing.T) {
	c := pulsartest.Shared(t)
	ctx := testContext(t)
	ns := c.Namespace(t)
	if err := c.Admin.SetNamespacePolicy(ctx, ns, "encryptionRequired", true); err != nil {
		t.Fatal(err)
	}
	topic := "persistent://" + ns + "/t"
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL(), CryptoKeyDirectory: writeKeys(t, "k1"), OperationTimeout: time.Hour})
	defer u.Close()
	await(t, "the policy", func() bool {
		p, err := u.CreateProducer(ctx, bridge.ProducerSpec{Topic: topic})
		if err == nil {
			p.Close()
		} else if !strings.Contains(err.Error(), "Encryption is required") {
			t.Fatal(err)
		}
		return err != nil
	})
	for _, batching := range []bool{false, true} {
		sendAll(t, u, bridge.ProducerSpec{Topic: topic, EncryptionKeys: "k1", Batching: batching, SendTimeout: time.Minute}, texts("here", "and here")...)
	}
	own := &bridge.Outgoing{Payload: []byte("sealed"), EncryptionParam: "AAECAwQFBgcICQoL"}
	keys := base64.StdEncoding.EncodeToString([]byte(`{"k":{"keyValue":"AQ=="}}`))
	sendAll(t, u, bridge.ProducerSpec{Topic: topic, ClientEncryption: keys, SendTimeout: time.Minute}, own)
	in, _ := openEvents(t, u, bridge.ConsumerSpec{Topic: topic, Subscription: "s", CryptoFailure: bridge.CryptoConsume})
	for _, want := range []string{"here", "and here", "here", "and here", "sealed"} {
		if m := nextMessage(t, in); string(m.Payload) != want {
			t.Errorf("got %q, want %q", m.Payload, want)
		}
	}
}
