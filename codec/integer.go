package codec

import (
	"bytes"
	"math"
	"strconv"
)

// parseInteger reads an integer from low to high as Jackson does: a number, its fraction cut off, or an integer in
// quotes. null, "null" and blank text are as if the field were not there. A fault that is not empty goes behind
// the field's name in an error.
func parseInteger(v *value, low, high int64) (n int64, has bool, fault string) {
	switch v.kind {
	case kindNull:
		return 0, false, ""
	case kindNumber:
		n, has = truncate(v.raw)
	case kindString:
		text := trim(v.bytes())
		if len(text) == 0 || string(text) == "null" {
			return 0, false, ""
		}
		var err error
		n, err = strconv.ParseInt(string(text), 10, 64)
		has = err == nil
	default:
		return 0, false, "is " + v.kind.String() + "; expected an integer"
	}
	if !has || n < low || n > high {
		return 0, false, "is " + quote(v.raw) + "; expected an integer from " +
			strconv.FormatInt(low, 10) + " to " + strconv.FormatInt(high, 10)
	}
	return n, true, ""
}

// truncate reads a JSON number as an integer, its fraction cut off. It reports false when out of range.
func truncate(raw []byte) (int64, bool) {
	if isInteger(raw) {
		n, err := strconv.ParseInt(string(raw), 10, 64)
		return n, err == nil
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case err != nil || f < math.MinInt64 || f > math.MaxInt64:
		return 0, false
	case f == math.MaxInt64: // which as a float is one more than fits
		return math.MaxInt64, true
	}
	return int64(f), true
}

// isInteger tells whether a JSON number has neither fraction nor exponent.
func isInteger(raw []byte) bool { return !bytes.ContainsAny(raw, ".eE") }

// trim removes blanks and control characters from both ends, as java.lang.String.trim does.
func trim(text []byte) []byte {
	for len(text) > 0 && text[0] <= ' ' {
		text = text[1:]
	}
	for len(text) > 0 && text[len(text)-1] <= ' ' {
		text = text[:len(text)-1]
	}
	return text
}
