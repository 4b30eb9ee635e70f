package codec

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-json"
)

// EncryptionKey is a data key, encrypted with the public key of the given name.
type EncryptionKey struct {
	Name     string
	Value    []byte
	Metadata map[string]string
}

// EncryptionContext is what a client needs to decrypt a message that was passed on as it is.
type EncryptionContext struct {
	Keys                    []EncryptionKey
	Param                   []byte // the initialisation vector
	Algorithm               string // empty: not named by the producer, and not sent
	CompressionType         string // NONE, LZ4, ZLIB, ZSTD or SNAPPY; empty reads as NONE
	UncompressedMessageSize int
	BatchSize               int // 0: the payload is not a batch
}

// append appends the context as a JSON object.
func (c *EncryptionContext) append(dst []byte) []byte {
	dst = append(dst, `{"keys":{`...)
	for i, key := range c.Keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, key.Name)
		dst = append(dst, `:{"keyValue":"`...)
		dst = appendBase64(dst, key.Value)
		dst = append(dst, `","metadata":`...)
		dst = appendProperties(dst, key.Metadata)
		dst = append(dst, '}')
	}
	dst = append(dst, `},"param":"`...)
	dst = appendBase64(dst, c.Param)
	dst = append(dst, '"')
	if c.Algorithm != "" {
		dst = append(dst, `,"algorithm":`...)
		dst = appendString(dst, c.Algorithm)
	}
	dst = append(dst, `,"compressionType":`...)
	dst = appendString(dst, cmp.Or(c.CompressionType, "NONE"))
	dst = append(dst, `,"uncompressedMessageSize":`...)
	dst = strconv.AppendInt(dst, int64(c.UncompressedMessageSize), 10)
	if c.BatchSize == 0 {
		return append(dst, `,"batchSize":null}`...)
	}
	dst = append(dst, `,"batchSize":`...)
	dst = strconv.AppendInt(dst, int64(c.BatchSize), 10)
	return append(dst, '}')
}

// compressionTypes are the names Pulsar knows.
var compressionTypes = []string{"NONE", "LZ4", "ZLIB", "ZSTD", "SNAPPY"}

// Encrypted gives what a client that encrypts by itself says of its message: the initialisation vector, and the
// compression with the size before it, an empty name when it did not compress. The error is an [*Error] with
// [CodePayload].
func (r *SendRequest) Encrypted() (param []byte, compressionType string, uncompressedSize int, err error) {
	text := []byte(r.EncryptionParam)
	param, ok := decodeBase64(text)
	if !ok {
		return nil, "", 0, &Error{CodePayload, "encryptionParam: " + base64Fault(text)}
	}
	compressed := r.CompressionType != "" && r.CompressionType != "NONE"
	if compressed && !r.HasUncompressedMessageSize || r.CompressionType == "" && r.HasUncompressedMessageSize {
		return nil, "", 0, &Error{CodePayload, "compressionType and uncompressedMessageSize go together: one is missing"}
	}
	if r.CompressionType != "" && !slices.Contains(compressionTypes, r.CompressionType) {
		return nil, "", 0, &Error{CodePayload, "compressionType: " + quote([]byte(r.CompressionType)) +
			" is none of " + strings.Join(compressionTypes, ", ")}
	}
	if r.UncompressedMessageSize < 0 {
		return nil, "", 0, &Error{CodePayload, "uncompressedMessageSize is negative"}
	}
	return param, r.CompressionType, r.UncompressedMessageSize, nil
}

// ErrEncryptionKeys is wrapped by every error of [ParseEncryptionKeys].
var ErrEncryptionKeys = errors.New("encryptionKeys")

// IsEncryptionKeys reports whether text looks like what [ParseEncryptionKeys] reads, and not like names of keys.
func IsEncryptionKeys(text string) bool {
	plain, ok := decodeBase64([]byte(text))
	plain = bytes.TrimSpace(plain)
	return ok && len(plain) > 1 && plain[0] == '{' && plain[len(plain)-1] == '}'
}

// ParseEncryptionKeys reads the encryptionKeys query parameter of a producer whose client encrypts by itself:
// base64 of {"name":{"keyValue":"base64","metadata":{"name":"value"}}}, metadata optional. Keys come sorted by
// name. Errors wrap [ErrEncryptionKeys] and never repeat a key.
func ParseEncryptionKeys(text string) ([]EncryptionKey, error) {
	plain, ok := decodeBase64([]byte(text))
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrEncryptionKeys, base64Fault([]byte(text)))
	}
	var byName map[string]*struct {
		KeyValue string            `json:"keyValue"`
		Metadata map[string]string `json:"metadata"`
	}
	if err := json.Unmarshal(plain, &byName); err != nil {
		return nil, fmt.Errorf("%w: not a JSON object of keys", ErrEncryptionKeys)
	}
	if len(byName) == 0 {
		return nil, fmt.Errorf("%w: no key given", ErrEncryptionKeys)
	}
	keys := make([]EncryptionKey, 0, len(byName))
	for name, key := range byName {
		if name == "" {
			return nil, fmt.Errorf("%w: a key has no name", ErrEncryptionKeys)
		}
		if key == nil || key.KeyValue == "" {
			return nil, fmt.Errorf("%w: key %q has no keyValue", ErrEncryptionKeys, name)
		}
		value, ok := decodeBase64([]byte(key.KeyValue))
		if !ok {
			return nil, fmt.Errorf("%w: the keyValue of key %q is not base64", ErrEncryptionKeys, name)
		}
		keys = append(keys, EncryptionKey{Name: name, Value: value, Metadata: key.Metadata})
	}
	slices.SortFunc(keys, func(a, b EncryptionKey) int { return strings.Compare(a.Name, b.Name) })
	return keys, nil
}
