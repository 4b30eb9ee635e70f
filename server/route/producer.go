package route

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/topic"
)

const (
	defaultSendTimeout   = 30 * time.Second
	defaultBatchMessages = 1000
	defaultBatchDelay    = time.Millisecond

	// largestBatch is more messages than the bytes of any batch have room for.
	largestBatch = 100_000
)

// producer reads a producer's parameters.
func (p params) producer(e endpoint, r *Request) (err error) {
	s := &r.Producer
	s.Topic, r.Topics = e.topic.String(), []topic.Name{e.topic}
	if s.Name, err = p.name("producerName"); err != nil {
		return err
	}
	s.HasInitialSequenceID = p.has("initialSequenceId")
	if s.InitialSequenceID, err = p.number("initialSequenceId", math.MinInt64, math.MaxInt64, 0); err != nil {
		return err
	}
	if s.HashingScheme, err = choice(p, "hashingScheme",
		word[bridge.HashingScheme]{"JavaStringHash", bridge.JavaStringHash},
		word[bridge.HashingScheme]{"Murmur3_32Hash", bridge.Murmur3}); err != nil {
		return err
	}
	if s.SendTimeout, err = p.millis("sendTimeoutMillis", 0, defaultSendTimeout); err != nil {
		return err
	}
	// CustomPartition needs a router class inside the Java proxy; it is taken
	// and acts as the default there, too.
	if s.Routing, err = choice(p, "messageRoutingMode",
		word[bridge.RoutingMode]{"SinglePartition", bridge.SinglePartition},
		word[bridge.RoutingMode]{"RoundRobinPartition", bridge.RoundRobinPartition},
		word[bridge.RoutingMode]{"CustomPartition", bridge.SinglePartition}); err != nil {
		return err
	}
	if s.Compression, err = choice(p, "compressionType",
		word[bridge.Compression]{"NONE", bridge.NoCompression},
		word[bridge.Compression]{"LZ4", bridge.LZ4},
		word[bridge.Compression]{"ZLIB", bridge.ZLib},
		word[bridge.Compression]{"ZSTD", bridge.ZSTD},
		word[bridge.Compression]{"SNAPPY", bridge.Snappy}); err != nil {
		return err
	}
	if p.has("encryptionKeys") {
		if err := p.encryption(s); err != nil || s.ClientEncryption != "" {
			return err
		}
	}
	if s.Batching = p.flag("batchingEnabled"); s.Batching {
		return p.batching(s)
	}
	return nil
}

// encryption reads encryptionKeys: names of keys, or the keys of a client that
// encrypts by itself. To such a client batching and compression are off.
func (p params) encryption(s *bridge.ProducerSpec) error {
	text := strings.TrimSpace(p["encryptionKeys"])
	if codec.IsEncryptionKeys(text) {
		if _, err := codec.ParseEncryptionKeys(text); err != nil {
			return invalid("%v", err)
		}
		s.ClientEncryption, s.Compression = text, bridge.NoCompression
		return nil
	}
	var names []string
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return invalid("encryptionKeys must name at least one key")
	}
	slices.Sort(names)
	s.EncryptionKeys = strings.Join(slices.Compact(names), ",")
	return nil
}

// batching reads the parameters that count only with batchingEnabled=true.
func (p params) batching(s *bridge.ProducerSpec) error {
	n, err := p.number("batchingMaxMessages", math.MinInt32, math.MaxInt32, defaultBatchMessages)
	if err != nil {
		return err
	}
	if n <= 0 { // no bound in messages; a batch is then bounded by its bytes
		n = largestBatch
	}
	s.BatchingMaxPending = int(min(n, largestBatch))

	pending, err := p.number("maxPendingMessages", 0, math.MaxInt32, 0)
	if err != nil {
		return err
	}
	s.MaxPending = int(pending)

	s.BatchingMaxDelay, err = p.millis("batchingMaxPublishDelay", 1, defaultBatchDelay)
	return err
}
