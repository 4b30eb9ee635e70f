package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/magiconair/properties"
)

// entry is one key=value as it was written.
type entry struct {
	name, value string
	source      Source
}

// Source tells where a value was set. The zero Source is the default.
type Source struct {
	Path string // of the file
	Line int    // in that file, from 1
	Env  string // the variable of the environment
	Flag bool   // set on the command line
}

// String returns "default", "path:line", "environment NAME" or "--set".
func (s Source) String() string {
	switch {
	case s.Flag:
		return "--set"
	case s.Env != "":
		return "environment " + s.Env
	case s.Path != "":
		return fmt.Sprintf("%s:%d", s.Path, s.Line)
	default:
		return "default"
	}
}

// parseProperties reads Java's .properties format (the documentation of
// java.util.Properties.load). Differing from Java, text that is valid UTF-8 is
// read as such; anything else is ISO 8859-1, as there. Nothing is expanded: ${x} is just
// text. Lines that cannot be read are left out and are in the error, each with its number.
func parseProperties(path string, data []byte) ([]entry, error) {
	loader := properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}
	if !utf8.Valid(data) {
		loader.Encoding = properties.ISO_8859_1
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var entries []entry
	var errs []error
	for _, l := range logicalLines(string(data)) {
		p, err := loader.LoadBytes([]byte(l.text))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: not a key=value line of Java properties: bad escape or no key", path, l.number))
			continue
		}
		for _, name := range p.Keys() {
			value, _ := p.Get(name)
			entries = append(entries, entry{name, strings.TrimSpace(value), Source{Path: path, Line: l.number}})
		}
	}
	return entries, errors.Join(errs...)
}

// logicalLine is a line with its continuations joined, and the number of its first.
type logicalLine struct {
	text   string
	number int
}

// logicalLines leaves out comments and blank lines. The properties library is
// given one logical line at a time, so that every value has a line number
// and continuations work with all of Java's line ends.
func logicalLines(s string) []logicalLine {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	var lines []logicalLine
	open := false
	number := 0
	for text := range strings.SplitSeq(s, "\n") {
		number++
		text = strings.TrimLeft(text, " \t\f")
		if !open && (text == "" || text[0] == '#' || text[0] == '!') {
			continue
		}
		body, continues := cutContinuation(text)
		if open {
			lines[len(lines)-1].text += body
		} else {
			lines = append(lines, logicalLine{body, number})
		}
		open = continues
	}
	return lines
}

// cutContinuation cuts the backslash off a line that goes on: one that ends in an odd number of them.
func cutContinuation(s string) (string, bool) {
	n := len(s) - len(strings.TrimRight(s, `\`))
	if n%2 == 0 {
		return s, false
	}
	return s[:len(s)-1], true
}
