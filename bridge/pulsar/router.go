package pulsar

import (
	"math/rand/v2"
	"sync"
	"unicode/utf16"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/twmb/murmur3"

	"github.com/pulsegate/pulsegate/bridge"
)

// newRouter picks partitions as the Java client does: by the hash of the key
// if there is one, else always the same one, chosen by chance, or all in turn. Several
// goroutines may use it.
func newRouter(spec *bridge.ProducerSpec) func(*pulsar.ProducerMessage, pulsar.TopicMetadata) int {
	hash := javaStringHash
	if spec.HashingScheme == bridge.Murmur3 {
		hash = murmurHash
	}
	if spec.Routing == bridge.RoundRobinPartition {
		next := pulsar.NewDefaultRouter(hash, batchMessages(spec), batchBytes, batchDelay(spec), !spec.Batching)
		var mu sync.Mutex
		return func(m *pulsar.ProducerMessage, t pulsar.TopicMetadata) int {
			mu.Lock()
			defer mu.Unlock()
			return next(m, t.NumPartitions())
		}
	}
	single := rand.Uint32()
	return func(m *pulsar.ProducerMessage, t pulsar.TopicMetadata) int {
		if m.Key != "" {
			return int(hash(m.Key) % t.NumPartitions())
		}
		return int(single % t.NumPartitions())
	}
}

// javaStringHash is Java's String.hashCode without its sign: over UTF-16 units,
// where the client library's own takes bytes.
func javaStringHash(s string) uint32 {
	var h uint32
	for _, r := range s {
		if r1, r2 := utf16.EncodeRune(r); r1 != 0xfffd {
			h = 31*(31*h+uint32(r1)) + uint32(r2)
		} else {
			h = 31*h + uint32(r)
		}
	}
	return h & 0x7fffffff
}

// murmurHash is Murmur3_32Hash of the Java client.
func murmurHash(s string) uint32 { return murmur3.Sum32([]byte(s)) & 0x7fffffff }
