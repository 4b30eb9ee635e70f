package codec

import (
	"math/bits"
	"sync"
)

// Large payloads are decoded into memory that earlier ones had: to reserve it anew costs as much as the decoding, since
// the runtime clears it, and the collector runs the sooner. It comes in powers of two, at most four times the
// payload, see [decodeQuoted], from 32 KiB, below which reserving is cheap, to 2 MiB. Nobody has to give it back: the collector takes what
// is forgotten, and what lies here unused.
const (
	minPayloadClass = 15
	maxPayloadClass = 21
)

// payloads has a pool for each class.
var payloads [maxPayloadClass - minPayloadClass + 1]sync.Pool

// newPayload returns n bytes that hold anything.
func newPayload(n int) []byte {
	class := bits.Len(uint(max(n, 1) - 1))
	if class < minPayloadClass || class > maxPayloadClass {
		return make([]byte, n)
	}
	if b, ok := payloads[class-minPayloadClass].Get().(*[]byte); ok {
		return (*b)[:n]
	}
	return make([]byte, n, 1<<class)
}

// isPooled reports that a payload is memory which can be used again.
func isPooled(payload []byte) bool {
	class := bits.Len(uint(cap(payload))) - 1
	return class >= minPayloadClass && class <= maxPayloadClass && cap(payload) == 1<<class
}

// recycle gives back what newPayload returned. Nobody may have it, or a part of it, any more.
func recycle(payload []byte) {
	if isPooled(payload) {
		payloads[bits.Len(uint(cap(payload)))-1-minPayloadClass].Put(&payload)
	}
}

// Recycler is what takes Payload back for later requests. Nobody may have it, or a part of it, any more then. nil: it is left to the
// garbage collector.
func (r *SendRequest) Recycler() func(payload []byte) {
	if !r.pooled {
		return nil
	}
	return recycle
}
