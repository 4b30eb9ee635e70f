package pulsar

import (
	"encoding/binary"
	"errors"
	"reflect"
	"unsafe"

	"github.com/apache/pulsar-client-go/pulsar/crypto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// passThrough lets messages that clients encrypted by themselves leave as they
// are, with what the client says of them in their metadata.
//
// The client library knows no such message. But it hands every payload to a
// [crypto.MessageCrypto] just before it is written, together with the
// metadata; that one may change both. So what a client says of one message travels in front of
// its payload (see [envelope]), and is taken off and put into the metadata
// there. Keys and initialisation vector can be set by the library's interface;
// the compression, which to the library is the producer's, and the size before
// it cannot: see [wireMetadata].
type passThrough struct {
	noKeys
	keys []*crypto.EncryptionKeyInfo
}

func newPassThrough(keys []codec.EncryptionKey) (*passThrough, error) {
	if _, err := wireMetadata(crypto.NewMessageMetadataSupplier(nil)); errors.Is(err, errOtherMetadata) {
		return nil, err
	}
	p := &passThrough{}
	for _, key := range keys {
		p.keys = append(p.keys, crypto.NewEncryptionKeyInfo(key.Name, key.Value, key.Metadata))
	}
	return p, nil
}

// envelope puts what a client says of its message in front of the payload.
func envelope(m *bridge.Outgoing) ([]byte, error) {
	param, compression, size, err := m.Encrypted()
	if err != nil {
		return nil, err
	}
	if compression == "" {
		size = len(m.Payload)
	}
	b := make([]byte, 0, len(param)+len(m.Payload)+2*binary.MaxVarintLen64+1)
	b = binary.AppendUvarint(b, uint64(len(param)))
	b = append(b, param...)
	b = append(b, compressionNumbers[compression])
	b = binary.AppendUvarint(b, uint64(size))
	return append(b, m.Payload...), nil
}

// compressionNumbers are those of Pulsar's protocol.
var compressionNumbers = map[string]byte{"": 0, "NONE": 0, "LZ4": 1, "ZLIB": 2, "ZSTD": 3, "SNAPPY": 4}

var errEnvelope = errors.New("a message without its envelope")

// Encrypt implements [crypto.MessageCrypto]. It encrypts nothing.
func (p *passThrough) Encrypt(_ []string, _ crypto.KeyReader, m crypto.MessageMetadataSupplier, b []byte) ([]byte, error) {
	n, used := binary.Uvarint(b)
	if used <= 0 || uint64(len(b)-used) < n+1 {
		return nil, errEnvelope
	}
	b = b[used:]
	param, compression := b[:n], b[n]
	b = b[n+1:]
	size, used := binary.Uvarint(b)
	if used <= 0 {
		return nil, errEnvelope
	}
	metadata, err := wireMetadata(m)
	if err != nil {
		return nil, err
	}
	for _, key := range p.keys {
		m.UpsertEncryptionKey(*key)
	}
	if n > 0 {
		m.SetEncryptionParam(append([]byte(nil), param...))
	}
	fields := metadata.Descriptor().Fields()
	metadata.Set(fields.ByName("uncompressed_size"), protoreflect.ValueOfUint32(uint32(size)))
	if compression != 0 {
		metadata.Set(fields.ByName("compression"), protoreflect.ValueOfEnum(protoreflect.EnumNumber(compression)))
	}
	return b[used:], nil
}

var errOtherMetadata = errors.New("pulsar-client-go keeps the metadata of messages elsewhere: what clients encrypt cannot be passed on")

// wireMetadata is the message's metadata as it is written to the broker. The
// library's supplier wraps it without a way to it; its type is internal to the library, but
// it is a protobuf message like any other. A test says when that changes.
func wireMetadata(m crypto.MessageMetadataSupplier) (protoreflect.Message, error) {
	supplier, ok := m.(*crypto.MessageMetadata)
	if !ok {
		return nil, errOtherMetadata
	}
	field := reflect.ValueOf(supplier).Elem().FieldByName("messageMetadata")
	if !field.IsValid() || field.Kind() != reflect.Pointer {
		return nil, errOtherMetadata
	}
	message, ok := reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem().Interface().(proto.Message)
	if !ok {
		return nil, errOtherMetadata
	}
	fields := message.ProtoReflect().Descriptor().Fields()
	if fields.ByName("compression") == nil || fields.ByName("uncompressed_size") == nil {
		return nil, errOtherMetadata
	}
	return message.ProtoReflect(), nil
}
