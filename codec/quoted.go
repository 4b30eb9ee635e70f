package codec

import (
	"bytes"

	"github.com/segmentio/asm/base64"
)

// quotedBlock is how many characters decodeQuoted takes at once: few enough that those of the last block are still
// in the processor's nearest cache when they are read again.
const quotedBlock = 16 << 10

// decodeQuoted decodes the base64 in front of the first quote of text, which is n bytes long, as [decodeBase64] does. What
// is long is not searched for the quote first, which would read it twice: a block that decodes has none in it. block is a
// multiple of 4. It reserves memory in the size of text where the first block has no quote, so it is for one payload of a frame.
func decodeQuoted(text []byte, block int) (payload []byte, n int, ok bool) {
	if n = bytes.IndexByte(text[:min(len(text), block)], '"'); n >= 0 { // memory for all of text would be for nothing
		payload, ok = decodeBase64(text[:n])
		return payload, n, ok
	}
	if len(text) <= block {
		return nil, 0, false
	}
	out := newPayload(3 * len(text) / 4)
	size, n, ok := decodeQuotedTo(out, text, block)
	if ok && size >= len(out)/2 {
		return out[:size], n, true
	}
	if ok { // most of the text is not payload
		payload = append(newPayload(size)[:0], out[:size]...)
	}
	recycle(out)
	return payload, n, ok
}

// decodeQuotedTo is decodeQuoted to out, for a text longer than a block. size is that of the payload.
func decodeQuotedTo(out, text []byte, block int) (size, n int, ok bool) {
	whole, done := 0, 0 // characters of blocks that are decoded, and bytes
	for len(text)-whole >= block {
		// The decoder skips line breaks. It then writes less than a block has.
		got, err := base64.RawStdEncoding.Decode(out[done:], text[whole:whole+block])
		if err != nil || got != block/4*3 {
			break
		}
		whole, done = whole+block, done+got
	}
	end := bytes.IndexByte(text[whole:min(whole+block+2, len(text))], '"') // there may be padding in front of it
	if end < 0 {
		return 0, 0, false
	}
	size, body, ok := decodedBase64Len(text[:whole+end])
	if !ok {
		return 0, 0, false
	}
	got, err := base64.RawStdEncoding.Decode(out[done:], body[whole:])
	return size, whole + end, err == nil && done+got == size
}
