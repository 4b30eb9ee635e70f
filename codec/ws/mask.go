package ws

import (
	"encoding/binary"
	"math/bits"
)

// unmask XORs b with the masking key, repeated (RFC 6455 section 5.3). The key
// is its four bytes read as little-endian. The result is the key for the bytes
// that follow b. ascii tells that b is ASCII now, for which there is no need to look at it again.
func unmask(key uint32, b []byte) (next uint32, ascii bool) {
	k := uint64(key)<<32 | uint64(key)
	var seen uint64 // every byte or-ed together
	for len(b) >= 32 {
		c := b[:32:32]
		x0 := binary.LittleEndian.Uint64(c[0:]) ^ k
		x1 := binary.LittleEndian.Uint64(c[8:]) ^ k
		x2 := binary.LittleEndian.Uint64(c[16:]) ^ k
		x3 := binary.LittleEndian.Uint64(c[24:]) ^ k
		binary.LittleEndian.PutUint64(c[0:], x0)
		binary.LittleEndian.PutUint64(c[8:], x1)
		binary.LittleEndian.PutUint64(c[16:], x2)
		binary.LittleEndian.PutUint64(c[24:], x3)
		seen |= x0 | x1 | x2 | x3
		b = b[32:]
	}
	for len(b) >= 8 {
		x := binary.LittleEndian.Uint64(b) ^ k
		binary.LittleEndian.PutUint64(b, x)
		seen |= x
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(key)
		seen |= uint64(b[i])
		key = bits.RotateLeft32(key, -8)
	}
	return key, seen&0x8080808080808080 == 0
}
