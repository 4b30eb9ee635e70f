package route

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pulsegate/pulsegate/codec"
)

// params are the query's parameters: names are case-sensitive, of a name given
// twice the first value counts, and what nobody asks for is ignored.
type params map[string]string

// parseQuery decodes a query string. Only & separates: Java clients send ; in
// values. Its errors do not show values, which may be secrets.
func parseQuery(query string) (params, error) {
	p := params{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		n, errName := url.QueryUnescape(name)
		v, errValue := url.QueryUnescape(value)
		if errName != nil || errValue != nil {
			return nil, invalid("parameter %s is not percent-encoded correctly", shown(name))
		}
		if !utf8.ValidString(n) || !utf8.ValidString(v) {
			return nil, invalid("parameter %s is not UTF-8", shown(name))
		}
		if _, twice := p[n]; !twice {
			p[n] = v
		}
	}
	return p, nil
}

func (p params) has(name string) bool { _, ok := p[name]; return ok }

// number reads a whole number from lo to hi, or returns otherwise if the
// parameter is absent.
func (p params) number(name string, lo, hi, otherwise int64) (int64, error) {
	v, ok := p[name]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < lo || n > hi {
		return 0, invalid("%s: %s must be a whole number from %d to %d", name, shown(v), lo, hi)
	}
	return n, nil
}

// millis reads a time in milliseconds of at least lo.
func (p params) millis(name string, lo int64, otherwise time.Duration) (time.Duration, error) {
	n, err := p.number(name, lo, math.MaxInt32, otherwise.Milliseconds())
	return time.Duration(n) * time.Millisecond, err
}

// flag reads a boolean as Java's Boolean.parseBoolean: anything but "true", in
// any case, is false.
func (p params) flag(name string) bool { return strings.EqualFold(p[name], "true") }

// name reads a name that may be left out but not be blank.
func (p params) name(name string) (string, error) {
	v, ok := p[name]
	if ok && strings.TrimSpace(v) == "" {
		return "", invalid("%s cannot be blank", name)
	}
	return v, nil
}

// choice reads one of a few words, in exactly that spelling. The first of them is the default.
func choice[T ~uint8](p params, name string, words ...word[T]) (T, error) {
	v, ok := p[name]
	if !ok {
		return words[0].value, nil
	}
	var all []string
	for _, w := range words {
		if w.text == v {
			return w.value, nil
		}
		all = append(all, w.text)
	}
	return 0, invalid("%s: %s must be one of %s", name, shown(v), strings.Join(all, ", "))
}

type word[T ~uint8] struct {
	text  string
	value T
}

// queue reads receiverQueueSize, which is also the session's window: 0 acts as
// 1 and what is more than the largest as the largest.
func (p params) queue() (int, error) {
	const largest = 1000
	v, ok := p["receiverQueueSize"]
	if !ok {
		return largest, nil
	}
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil || n < 0 {
		return 0, invalid("receiverQueueSize: %s must be a whole number of at least 0 (more than %d acts as %d)", shown(v), largest, largest)
	}
	return int(min(max(n, 1), largest)), nil
}

// format is how this session's messages look.
func (p params) format(e endpoint, o Options) codec.Format {
	context, has := p["context"]
	return codec.Format{LegacyTime: e.v1 && o.V1LegacyTime, Context: context, HasContext: has}
}

// position reads a message id.
func (p params) position(name string) (codec.MessageID, error) {
	id, err := codec.ParseMessageID([]byte(p[name]))
	if err != nil {
		return id, invalid("%s must be earliest, latest or a message id: %s", name, fmt.Sprint(err))
	}
	return id, nil
}
