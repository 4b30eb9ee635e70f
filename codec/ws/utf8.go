package ws

import "unicode/utf8"

// validPrefix checks that b can be the beginning of valid UTF-8. It returns how
// many bytes are complete characters; up to three more may be the beginning of
// the next one.
func validPrefix(b []byte) (n int, ok bool) {
	n = len(b)
	for i := 1; i <= min(len(b), utf8.UTFMax-1); i++ {
		if c := b[len(b)-i:]; utf8.RuneStart(c[0]) {
			if !utf8.FullRune(c) {
				n -= i
			}
			break
		}
	}
	return n, utf8.Valid(b[:n])
}
