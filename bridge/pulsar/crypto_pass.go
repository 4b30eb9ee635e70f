package pulsar

import (
	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	client "github.com/pulsegate/pulsegate/pulsar"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// Messages that clients encrypt by themselves leave as they are, with what the client says of them in
// their metadata.

// encryption says how the messages of a producer are encrypted, if they are.
func (u *Upstream) encryption(spec *bridge.ProducerSpec, p *producer, o *client.ProducerOptions) error {
	names := spec.EncryptionKeyNames()
	switch {
	case spec.ClientEncryption != "":
		keys, err := codec.ParseEncryptionKeys(spec.ClientEncryption)
		if err != nil {
			return &bridge.Error{Kind: bridge.ErrInvalid, Detail: err.Error()}
		}
		p.sealed, o.Encrypted = wireKeys(keys), true
	case len(names) == 0:
	case u.keys == nil:
		return &bridge.Error{Kind: bridge.ErrInvalid, Detail: "encryptionKeys: no key reader is configured (cryptoKeyDirectory)"}
	default:
		e, err := newEncrypter(u.keys, names, u.background)
		if err != nil {
			return &bridge.Error{Kind: bridge.ErrInvalid, Detail: "encryptionKeys: " + err.Error()}
		}
		o.Encrypter = e
	}
	return nil
}

func wireKeys(keys []codec.EncryptionKey) []wire.EncryptionKeys {
	out := make([]wire.EncryptionKeys, 0, len(keys))
	for _, key := range keys {
		k := wire.EncryptionKeys{Key: key.Name, Value: key.Value}
		for name, value := range key.Metadata {
			k.Metadata = append(k.Metadata, wire.KeyValue{Key: name, Value: value})
		}
		out = append(out, k)
	}
	return out
}

// seal is what a client says of a message that it has encrypted.
func (p *producer) seal(m *bridge.Outgoing) (*client.Sealed, error) {
	param, compression, size, err := m.Encrypted()
	if err != nil {
		return nil, err
	}
	if compression == "" {
		size = len(m.Payload)
	}
	return &client.Sealed{
		Encryption:  client.Encryption{Keys: p.sealed, Param: param},
		Compression: compressionNumbers[compression], Size: size,
	}, nil
}

// compressionNumbers are those of Pulsar's protocol.
var compressionNumbers = map[string]wire.CompressionType{
	"": wire.NoCompression, "NONE": wire.NoCompression, "LZ4": wire.LZ4, "ZLIB": wire.ZLIB, "ZSTD": wire.ZSTD, "SNAPPY": wire.SNAPPY,
}
