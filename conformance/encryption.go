package conformance

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
)

const noEncryption = "topics in the process take no encrypted messages"

// clientKeys is the encryptionKeys parameter of a client that encrypts by itself.
// What is behind the keys is nobody's business but the clients'.
func clientKeys(names ...string) string {
	var keys []string
	for _, name := range names {
		keys = append(keys, fmt.Sprintf(`%q:{"keyValue":%q,"metadata":{"version":"1"}}`, name, base64.StdEncoding.EncodeToString([]byte("data key for "+name))))
	}
	return "encryptionKeys=" + url.QueryEscape(base64.StdEncoding.EncodeToString([]byte("{"+strings.Join(keys, ",")+"}")))
}

const (
	encryptionParam  = "AAECAwQFBgcICQoL"
	encryptedPayload = "bm90IHRvIGJlIHJlYWQ="
)

// pushedSealed is the pattern of a message that was encrypted with [clientKeys].
func pushedSealed(size string, names ...string) string {
	var keys []string
	for _, name := range names {
		keys = append(keys, fmt.Sprintf(`%q:{"keyValue":%q,"metadata":{"version":"1"}}`, name, base64.StdEncoding.EncodeToString([]byte("data key for "+name))))
	}
	return `{"messageId":"*","payload":"` + encryptedPayload + `","properties":{"a":"b"},"publishTime":"*","redeliveryCount":0,"encryptionContext":{` +
		`"keys":{` + strings.Join(keys, ",") + `},"param":"` + encryptionParam + `","?algorithm":"?",` + size + `,"batchSize":"?"}}`
}

// encryptionCases are about messages that clients encrypt by themselves.
func encryptionCases() Area {
	sealed := func(more string) string {
		return `{"payload":"` + encryptedPayload + `","encryptionParam":"` + encryptionParam + `","properties":{"a":"b"}` + more + `}`
	}
	one := func(id, text string, run func(t *T)) Case {
		return Case{ID: "encryption/" + id, Text: text, Skip: noBroker(noEncryption), Run: run}
	}
	cases := []Case{
		one("passed-through", "what a client encrypted itself arrives as it was, with its keys and parameters, where CONSUME is asked for", func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "cryptoFailureAction=CONSUME")
			p := t.Producer(topic, clientKeys("k1"), "batchingEnabled=true", "compressionType=LZ4")
			p.PublishJSON(sealed(""))
			p.PublishJSON(sealed(`,"compressionType":"ZSTD","uncompressedMessageSize":4711`))
			c.Expect(pushedSealed(`"compressionType":"NONE","uncompressedMessageSize":"?"`, "k1"))
			c.Expect(pushedSealed(`"compressionType":"ZSTD","uncompressedMessageSize":4711`, "k1"))
		}),
		better("Java's readers get the payload without what it takes to decrypt it", one("reader", "so it does for a reader", func(t *T) {
			topic := t.Topic()
			r := t.Reader(topic, "cryptoFailureAction=CONSUME")
			t.Producer(topic, clientKeys("k1")).PublishJSON(sealed(""))
			r.Expect(pushedSealed(`"compressionType":"NONE","uncompressedMessageSize":"?"`, "k1"))
		})),
		one("withheld", "without CONSUME such a message is not delivered, and others are", func(t *T) {
			topic := t.Topic()
			fail := t.Consumer(topic, "fail", "subscriptionType=Shared")
			discard := t.Consumer(topic, "discard", "cryptoFailureAction=DISCARD")
			reader := t.Reader(topic)
			t.Producer(topic, clientKeys("k1")).PublishJSON(sealed(""))
			t.Producer(topic).Publish("open")
			fail.Take("open")
			discard.Take("open")
			reader.Take("open")
		}),
		one("parameters", "compressionType without uncompressedMessageSize, the reverse, and a parameter that is not base64 are answered with 7; the session stays", func(t *T) {
			p := t.Producer(t.Topic(), clientKeys("k1"))
			for _, frame := range []string{
				sealed(`,"compressionType":"LZ4","context":"1"`), sealed(`,"uncompressedMessageSize":5,"context":"1"`),
				strings.Replace(sealed(`,"context":"1"`), encryptionParam, "***", 1),
			} {
				p.Ask(frame, `{"result":"send-error:7","errorMsg":"*","?context":"1","errorCode":0,"schemaVersion":0}`)
			}
			p.PublishJSON(sealed(""))
		}),
		better("with two keys Java answers every message with 8 and a Java exception", one("two-keys", "a client may encrypt for two readers", func(t *T) {
			topic := t.Topic()
			r := t.Consumer(topic, "s", "cryptoFailureAction=CONSUME")
			t.Producer(topic, clientKeys("k1", "k2")).PublishJSON(sealed(""))
			r.Expect(pushedSealed(`"compressionType":"NONE","uncompressedMessageSize":"?"`, "k1", "k2"))
		})),
	}
	return Area{Name: "Encryption", Cases: cases}
}
