package route

import (
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/pulsegate/pulsegate/topic"
)

// topicPattern reads the topicsPattern parameter: a topic's name of which the
// last part is a regular expression.
func topicPattern(value string, o Options) (topic.Name, error) {
	name, err := fullName("topicsPattern", value, o)
	if err != nil {
		return topic.Name{}, err
	}
	pattern := name.String()
	if patternWork(pattern) > maxPatternWork {
		return topic.Name{}, invalid("topicsPattern: %s has too many character classes, or too large ones", shown(value))
	}
	// As it is, and as a part of another: an open \Q would quote what is put behind it.
	for _, text := range []string{pattern, "(?:" + pattern + ")"} {
		tree, err := syntax.Parse(text, syntax.Perl)
		if err != nil {
			return topic.Name{}, invalid("topicsPattern: %s is not a regular expression in RE2 syntax", shown(value))
		}
		if patternSize(tree) > maxPatternSize {
			return topic.Name{}, invalid("topicsPattern: %s is too large once its repetitions are written out", shown(value))
		}
	}
	return name, nil
}

// maxPatternSize bounds what a pattern may be compiled to, in instructions: a
// few bytes such as (?:…){1000} can stand for very many.
const maxPatternSize = 2 * maxNameBytes

// patternSize is about the number of instructions that a parsed pattern is
// compiled to. To parse it writes no repetition out.
func patternSize(re *syntax.Regexp) int {
	size := 1
	switch re.Op {
	case syntax.OpLiteral:
		size = len(re.Rune)
	case syntax.OpCharClass:
		size += len(re.Rune) / 2
	}
	for _, sub := range re.Sub {
		size += patternSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min+1, re.Max)
	}
	return size
}

// maxPatternWork bounds the time that a pattern takes to read, in runes of a class: 3 ms.
const maxPatternWork = 32 << 10

// What parts of a pattern take to read, in the same unit. To ignore case a range is gone through rune by rune, as far
// as runes have case; and classes that Unicode or Perl has names for are lists of ranges, each of which is sorted in.
const (
	lastWithCase = 0x1e943
	unicodeClass = 2 << 10
	perlClass    = 32
)

// patternWork is about what reading a pattern takes, or more. It is told from the text alone: a pattern of 4 KB
// can take 10 s, on an event loop.
func patternWork(pattern string) int {
	work, folds, last := len(pattern), ignoresCase(pattern), rune(0)
	for i := 0; i < len(pattern); {
		r, n := utf8.DecodeRuneInString(pattern[i:])
		switch next, size := utf8.DecodeRuneInString(pattern[i+n:]); {
		case r == '\\':
			switch n += size; next {
			case 'p', 'P':
				work += unicodeClass
			case 'd', 'D', 's', 'S', 'w', 'W':
				work += perlClass
			}
			r = 0 // whatever it stands for
		case r == '[' && next == ':':
			work += perlClass
		case r == '-' && folds:
			if next == '\\' && strings.HasPrefix(pattern[i+n+size:], "x{") {
				next = lastWithCase
			}
			work += max(0, int(min(next, lastWithCase)-last))
		}
		last = r
		i += n
	}
	return work
}

// ignoresCase reports whether some part of a pattern may.
func ignoresCase(pattern string) bool {
	for _, group := range strings.Split(pattern, "(?")[1:] {
		flags := strings.TrimLeft(group, "imsU-")
		if strings.Contains(group[:len(group)-len(flags)], "i") {
			return true
		}
	}
	return false
}
