package pulsar

import (
	"math/rand/v2"
	"time"
	"unicode/utf16"

	"github.com/twmb/murmur3"

	"github.com/pulsegate/pulsegate/bridge"
)

// sender is a [bridge.Sender]. What it has is what a producer of the Java client
// of its own would keep to choose partitions.
type sender struct {
	p    *producer
	turn int // the partition of messages without a key, or of the next one
}

// newSender chooses by chance where messages without a key begin.
func (p *producer) newSender() *sender {
	return &sender{p: p, turn: rand.IntN(int(p.partitions.Load()))}
}

// Send implements [bridge.Sender].
func (s *sender) Send(m *bridge.Outgoing, done bridge.SendDone) { s.p.send(s, m, done) }

// switchFactor is for how many times its delay a batching producer in
// RoundRobinPartition stays on a partition, as in the Java client.
const switchFactor = 10

// partition picks the partition of a message: by the hash of its key if it has
// one, else always the same one or all in turn.
func (s *sender) partition(m *bridge.Outgoing) int {
	spec, n := &s.p.spec, int(s.p.partitions.Load())
	switch {
	case n == 1:
		return 0
	case m.HasKey && spec.HashingScheme == bridge.Murmur3:
		return int(murmurHash(m.Key)) % n
	case m.HasKey:
		return int(javaStringHash(m.Key)) % n
	case spec.Routing == bridge.SinglePartition:
		return s.turn // as it was chosen, also when there are more by now
	case s.p.batching():
		return (s.turn + int(time.Now().UnixMilli()/max(1, switchFactor*batchDelay(spec).Milliseconds()))) % n
	}
	at := s.turn % n
	s.turn++
	return at
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
