package embedded

import (
	"unicode/utf16"

	"github.com/twmb/murmur3"

	"github.com/pulsegate/pulsegate/bridge"
)

// keyHash is the hash by which Pulsar's Java client chooses the partition of a
// key: the sign bit is cleared in both schemes.
func keyHash(scheme bridge.HashingScheme, key string) uint32 {
	if scheme == bridge.Murmur3 {
		return murmur3.Sum32([]byte(key)) & 0x7fffffff
	}
	return javaHash(key) & 0x7fffffff
}

// javaHash is Java's String.hashCode, which goes over UTF-16 code units.
func javaHash(s string) uint32 {
	var h uint32
	for _, r := range s {
		if r1, r2 := utf16.EncodeRune(r); r1 != oneUnit {
			h = 31*(31*h+uint32(r1)) + uint32(r2)
			continue
		}
		h = 31*h + uint32(r)
	}
	return h
}

// oneUnit is what utf16.EncodeRune returns for a rune that is one code unit.
const oneUnit = '\uFFFD'

// stickySlots is into how many hash slots Key_Shared divides keys: the size of
// the hash range of a broker's dispatcher.
const stickySlots = 1 << 16

// stickySlot is the slot of a message. Messages without a key have no order to
// keep and are spread.
func stickySlot(m *message) uint16 {
	if !m.hasKey {
		return uint16((uint64(m.stamp) * 0x9e3779b97f4a7c15) >> 48)
	}
	return uint16(murmur3.Sum32([]byte(m.key)) % stickySlots)
}

// weight ranks the members of a Key_Shared subscription for a slot; the highest
// one owns it. When a member comes or goes only slots that it owns move
// (rendezvous hashing).
func weight(slot uint16, member int64) uint64 {
	x := uint64(member)*0x9e3779b97f4a7c15 ^ uint64(slot)*0xd6e8feb86659fd93
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return x ^ x>>32
}
