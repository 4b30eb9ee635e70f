package codec

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrMessageID is wrapped by every error of [ParseMessageID].
var ErrMessageID = errors.New("not a message id")

// maxMessageIDText bounds a message id's text in bytes. The longest legitimate ids are those of native clients
// that carry the acknowledgement bits of a large batch.
const maxMessageIDText = 64 << 10

// MessageID is a position in a topic: Pulsar's MessageIdData (PulsarApi.proto).
type MessageID struct {
	LedgerID   int64
	EntryID    int64
	Partition  int32  // -1: the topic is not partitioned
	BatchIndex int32  // place in the entry's batch; -1: not in a batch
	BatchSize  int32  // messages in the batch, 0 when not in one
	Topic      string // the topic's full name; only on sessions over several topics
}

// Compare orders ids by position, and those of different topics that share one by partition and topic. BatchSize does
// not count, as clients differ in whether they fill it.
func (id MessageID) Compare(other MessageID) int {
	return cmp.Or(
		id.Position().Compare(other.Position()),
		cmp.Compare(id.Partition, other.Partition),
		strings.Compare(id.Topic, other.Topic),
	)
}

// AppendText appends the form in which clients see an id: padded standard base64 of [MessageID.AppendBinary].
// It allocates only to grow dst.
func (id MessageID) AppendText(dst []byte) []byte {
	size := id.binarySize()
	at, n := len(dst), base64.StdEncoding.EncodedLen(size)
	// The binary form is put behind the text's place in the same buffer and not kept.
	dst = slices.Grow(dst, n+size)
	bin := id.AppendBinary(dst[at+n : at+n])
	dst = dst[:at+n]
	base64.StdEncoding.Encode(dst[at:], bin)
	return dst
}

// ParseMessageID reads an id's text as made by [MessageID.AppendText], by the Java proxy or by a native client.
// The text is base64 as payloads are. Fields it does not know and acknowledgement bits are skipped. Errors wrap
// [ErrMessageID] and say what is wrong.
func ParseMessageID(text []byte) (MessageID, error) {
	if len(text) == 0 {
		return MessageID{}, fmt.Errorf("%w: it is empty", ErrMessageID)
	}
	if len(text) > maxMessageIDText {
		return MessageID{}, fmt.Errorf("%w: %d bytes of text, at most %d are allowed", ErrMessageID, len(text), maxMessageIDText)
	}
	var short [192]byte
	bin := short[:]
	if len(text) > len(short) {
		bin = make([]byte, len(text))
	}
	n, ok := decodeBase64Small(bin, text)
	if !ok {
		return MessageID{}, fmt.Errorf("%w: %s in %s", ErrMessageID, base64Fault(text), quote(text))
	}
	id, fault := parseMessageIDData(bin[:n])
	if fault != "" {
		return MessageID{}, fmt.Errorf("%w: %s in %s", ErrMessageID, fault, quote(text))
	}
	return id, nil
}
