package codec

import (
	"math"
	"strconv"
	"time"
)

// appendTime appends t in UTC as YYYY-MM-DD, sep, hh:mm:ss.mmm. Years of other than four digits get a sign, as
// ISO 8601 wants it and Java writes it.
func appendTime(dst []byte, t time.Time, sep byte) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	switch {
	case year < 0:
		dst = append(dst, '-')
		year = -year
	case year > 9999:
		dst = append(dst, '+')
	}
	if year <= 9999 {
		dst = appendTwo(dst, year/100)
		dst = appendTwo(dst, year%100)
	} else {
		dst = strconv.AppendInt(dst, int64(year), 10)
	}
	milli := t.Nanosecond() / int(time.Millisecond)
	dst = appendTwo(append(dst, '-'), int(month))
	dst = appendTwo(append(dst, '-'), day)
	dst = appendTwo(append(dst, sep), hour)
	dst = appendTwo(append(dst, ':'), minute)
	dst = appendTwo(append(dst, ':'), second)
	return appendTwo(append(dst, '.', byte('0'+milli/100)), milli%100)
}

// appendTwo appends 0 <= n < 100 in two digits.
func appendTwo(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

// isoTime is what is left of a time to read. Its methods report false when something else is there.
type isoTime []byte

// char reads c, a capital letter in either case.
func (s *isoTime) char(c byte) bool {
	if len(*s) == 0 || (*s)[0] != c && !('A' <= c && c <= 'Z' && (*s)[0] == c|0x20) {
		return false
	}
	*s = (*s)[1:]
	return true
}

// number reads exactly width digits whose value is at most limit.
func (s *isoTime) number(width, limit int) (n int, ok bool) {
	if len(*s) < width {
		return 0, false
	}
	for _, c := range (*s)[:width] {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	*s = (*s)[width:]
	return n, n <= limit
}

// parseISOTime reads a date and time with offset as java.time's ISO_OFFSET_DATE_TIME does: seconds, their fraction
// and an offset's minutes may be missing, T and Z may be small, years beyond 9999 take a sign. Times whose
// milliseconds since 1970 do not fit 64 bits are refused.
func parseISOTime(text []byte) (time.Time, bool) {
	s := isoTime(text)
	year, ok := s.year()
	if !ok || !s.char('-') {
		return time.Time{}, false
	}
	month, okMonth := s.number(2, 12)
	if !okMonth || !s.char('-') {
		return time.Time{}, false
	}
	day, okDay := s.number(2, 31)
	if !okDay || !s.char('T') {
		return time.Time{}, false
	}
	hour, okHour := s.number(2, 23)
	if !okHour || !s.char(':') {
		return time.Time{}, false
	}
	minute, ok := s.number(2, 59)
	if !ok {
		return time.Time{}, false
	}
	second, nanos, ok := s.seconds()
	if !ok {
		return time.Time{}, false
	}
	offset, ok := s.offset()
	if !ok || len(s) != 0 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	// Date carries 30 February over into March.
	if t.Day() != day || t.Month() != time.Month(month) {
		return time.Time{}, false
	}
	t = t.Add(-offset)
	return t, abs(t.Unix()) < math.MaxInt64/1000
}

func abs(n int64) int64 { return max(n, -n) }

// year reads four digits, or a sign and up to nine. A plus needs more than four.
func (s *isoTime) year() (int, bool) {
	sign := 0
	if s.char('-') {
		sign = -1
	} else if s.char('+') {
		sign = 1
	}
	width := 0
	for width < len(*s) && isDigit((*s)[width]) {
		width++
	}
	if width < 4 || width > 9 || sign == 0 && width != 4 || sign > 0 && width == 4 {
		return 0, false
	}
	n, _ := s.number(width, 999_999_999)
	if sign < 0 {
		return -n, n > 0
	}
	return n, true
}

// seconds reads the seconds and up to nine digits of their fraction, if they are there.
func (s *isoTime) seconds() (second, nanos int, ok bool) {
	if !s.char(':') {
		return 0, 0, true
	}
	if second, ok = s.number(2, 59); !ok || !s.char('.') {
		return second, 0, ok
	}
	for unit := 100_000_000; unit > 0 && len(*s) > 0 && isDigit((*s)[0]); unit /= 10 {
		nanos += int((*s)[0]-'0') * unit
		*s = (*s)[1:]
	}
	return second, nanos, true
}

// offset reads Z, or a sign and hours, minutes and seconds, of which the last two may be missing.
func (s *isoTime) offset() (time.Duration, bool) {
	if s.char('Z') {
		return 0, true
	}
	negative := s.char('-')
	if !negative && !s.char('+') {
		return 0, false
	}
	total, ok := s.number(2, 18)
	total *= 3600
	for unit := 60; ok && unit > 0 && s.char(':'); unit /= 60 {
		var n int
		n, ok = s.number(2, 59)
		total += n * unit
	}
	if negative {
		total = -total
	}
	return time.Duration(total) * time.Second, ok && max(total, -total) <= 18*3600
}
