// Package filename keeps secrets out of what names a file: who configures a key may put the key itself where its path is
// meant.
package filename

import (
	"errors"
	"path"
	"strings"
)

// ErrNone is in the place of an error that would repeat what may be a secret.
var ErrNone = errors.New("it is not the path of a file that can be read; what it says is not repeated, as it may be a key")

const (
	longest   = 1024 // bytes of a path that is shown
	keyLike   = 40   // of one that may be a key in base64 or a token, unless something tells that it is a path
	extension = 15   // of what follows the last dot of a path; behind the last dot of a token its signature is longer
)

// Fault is err, which came of reading the files at paths, or [ErrNone] if one of these does not look like a path.
func Fault(err error, paths ...string) error {
	for _, p := range paths {
		if err != nil && !Plausible(p) {
			return ErrNone
		}
	}
	return err
}

// Plausible reports whether s looks like a path, or a file: URL, and not like a key: PEM, JSON, a URL with data, base64, or a
// token. In doubt it is a key.
func Plausible(s string) bool {
	lower := strings.ToLower(strings.TrimSpace(s))
	switch {
	case len(s) > longest, strings.Contains(s, "-----"), strings.ContainsAny(s, "\r\n{"), strings.Contains(s, `\n`),
		strings.HasPrefix(lower, "data:"), strings.HasPrefix(lower, "base64:"):
		return false
	case len(s) < keyLike:
		return true
	}
	// Base64 may have slashes, and begin with one, but has no dots; a token has dots, but no slashes.
	dir, base := path.Split(strings.TrimPrefix(s, "file:"))
	last := base[strings.LastIndexByte(base, '.')+1:]
	switch {
	case strings.Contains(dir, "."), len(last) < len(base) && last != "" && len(last) <= extension:
		return true
	case strings.HasPrefix(dir, "/"):
		return strings.Trim(dir, "/") != "" && !strings.HasSuffix(s, "=")
	}
	return dir != "" && s == strings.ToLower(s)
}
