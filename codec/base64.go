package codec

import (
	stdbase64 "encoding/base64"
	"slices"
	"strconv"

	"github.com/segmentio/asm/base64"
)

// decodedBase64Len tells how many bytes text decodes to and which part of it is not padding. It refuses lengths
// and padding that java.util.Base64's basic decoder refuses: padding may be missing, but not partly.
func decodedBase64Len(text []byte) (n int, body []byte, ok bool) {
	pad := 0
	for pad < len(text) && pad < 3 && text[len(text)-1-pad] == '=' {
		pad++
	}
	body = text[:len(text)-pad]
	tail := len(body) % 4
	if tail == 1 || pad > 0 && tail+pad != 4 {
		return 0, nil, false
	}
	return len(body)/4*3 + max(tail-1, 0), body, true
}

// decodeBase64 decodes text into a slice that is the caller's, perhaps one to be recycled. It takes the standard alphabet only; padding may be missing;
// bits left over in the last character are ignored, as Java does. White space, line breaks and the URL alphabet
// are refused.
func decodeBase64(text []byte) ([]byte, bool) {
	size, body, ok := decodedBase64Len(text)
	if !ok {
		return nil, false
	}
	out := newPayload(size)
	quads := len(body) &^ 3 // the assembly's way with a tail is slow
	n, err := base64.RawStdEncoding.Decode(out, body[:quads])
	if err != nil || n != quads/4*3 || !decodeTail(out[n:], body[quads:]) {
		// The decoder skips line breaks. It then writes less than the length promised.
		recycle(out)
		return nil, false
	}
	return out, true
}

// decodeTail decodes the last two or three characters into one or two bytes; none are fine, too.
func decodeTail(dst, tail []byte) bool {
	var bits uint32
	for _, c := range tail {
		six := sextets[c]
		if six > 63 {
			return false
		}
		bits = bits<<6 | uint32(six)
	}
	switch len(tail) {
	case 2:
		dst[0] = byte(bits >> 4)
	case 3:
		dst[0], dst[1] = byte(bits>>10), byte(bits>>2)
	}
	return true
}

// sextets are the values of the characters, 255 for those that are none.
var sextets = func() (values [256]byte) {
	for i := range values {
		values[i] = 255
	}
	for i, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		values[c] = byte(i)
	}
	return values
}()

// decodeBase64Small is decodeBase64 into dst, for short texts: it keeps dst from escaping to the heap, which
// the assembly behind decodeBase64 cannot. It needs len(dst) >= 3*len(text)/4.
func decodeBase64Small(dst, text []byte) (int, bool) {
	size, body, ok := decodedBase64Len(text)
	if !ok {
		return 0, false
	}
	n, err := stdbase64.RawStdEncoding.Decode(dst, body)
	return n, err == nil && n == size
}

// base64Fault says what is wrong with a text that did not decode.
func base64Fault(text []byte) string {
	body := len(text)
	for body > 0 && len(text)-body < 2 && text[body-1] == '=' {
		body--
	}
	for i, c := range text[:body] {
		if !isBase64(c) {
			return "illegal base64 character 0x" + strconv.FormatUint(uint64(c), 16) + " at position " + strconv.Itoa(i)
		}
	}
	return "base64 text ends in the middle of a byte or has wrong padding"
}

func isBase64(c byte) bool { return sextets[c] <= 63 }

// simdEncodeMin is the length in bytes from which the assembly encodes faster than the standard library: its first,
// masked load is slow.
const simdEncodeMin = 192

// appendBase64 appends data in the standard alphabet with padding.
func appendBase64(dst, data []byte) []byte {
	if len(data) < simdEncodeMin {
		return stdbase64.StdEncoding.AppendEncode(dst, data)
	}
	at, n := len(dst), base64.StdEncoding.EncodedLen(len(data))
	dst = slices.Grow(dst, n)[:at+n]
	base64.StdEncoding.Encode(dst[at:], data)
	return dst
}
