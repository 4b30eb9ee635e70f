package ws

import "strings"

// extension is one offer in a Sec-WebSocket-Extensions header.
type extension struct {
	name   string
	params []param
}

type param struct {
	name, value string
	hasValue    bool
}

// parseExtensions reads one Sec-WebSocket-Extensions header value by the
// grammar of RFC 6455 section 9.1: extensions separated by commas, each followed
// by parameters with ";", whose values are tokens, possibly quoted. Empty list
// elements are skipped (RFC 9110 section 5.6.1.2).
func parseExtensions(s string) (list []extension, ok bool) {
	for {
		s = skipSpace(s)
		if s == "" {
			return list, true
		}
		if s[0] == ',' {
			s = s[1:]
			continue
		}
		var e extension
		if e, s, ok = parseExtension(s); !ok {
			return nil, false
		}
		list = append(list, e)
		if s != "" && s[0] != ',' {
			return nil, false
		}
	}
}

// parseExtension reads one extension and the space behind it.
func parseExtension(s string) (e extension, rest string, ok bool) {
	if e.name, s = token(s); e.name == "" {
		return e, s, false
	}
	for s = skipSpace(s); s != "" && s[0] == ';'; s = skipSpace(s) {
		var p param
		if p, s, ok = parseParam(skipSpace(s[1:])); !ok {
			return e, s, false
		}
		e.params = append(e.params, p)
	}
	return e, s, true
}

func parseParam(s string) (p param, rest string, ok bool) {
	if p.name, s = token(s); p.name == "" {
		return p, s, false
	}
	s = skipSpace(s)
	if s == "" || s[0] != '=' {
		return p, s, true
	}
	s = skipSpace(s[1:])
	p.hasValue = true
	if s != "" && s[0] == '"' {
		p.value, s, ok = quoted(s[1:])
		return p, s, ok
	}
	p.value, s = token(s)
	return p, s, p.value != ""
}

// quoted reads a quoted string behind its opening quote. What it stands for
// must be a token (RFC 6455 section 9.1).
func quoted(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '"' {
			return b.String(), s[i+1:], b.Len() > 0
		}
		if c == '\\' && i+1 < len(s) {
			i++
			c = s[i]
		}
		if !isToken(c) {
			break
		}
		b.WriteByte(c)
	}
	return "", "", false
}

// token splits the longest token from the front of s.
func token(s string) (tok, rest string) {
	i := 0
	for i < len(s) && isToken(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

// isToken reports whether c may be part of a token (RFC 9110 section 5.6.2).
func isToken(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func skipSpace(s string) string { return strings.TrimLeft(s, " \t") }
