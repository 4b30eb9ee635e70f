// Package filename keeps secrets out of errors that name a file: who configures a key may put the key itself where its path is
// meant.
package filename

import (
	"errors"
	"strings"
)

// ErrNone is in the place of an error that would repeat what may be a secret.
var ErrNone = errors.New("it is not the path of a file that can be read; what it says is not repeated, as it may be a key")

const (
	longest = 1024 // bytes of a path that is shown
	keyLike = 40   // of a relative one without a dot, which may be a key in base64
)

// Fault is err, which came of reading the files at paths, or [ErrNone] if one of these does not look like a path.
func Fault(err error, paths ...string) error {
	for _, p := range paths {
		if err != nil && !plausible(p) {
			return ErrNone
		}
	}
	return err
}

// plausible reports whether s looks like a path, and not like a key: PEM, JSON, a URL with data, or base64.
func plausible(s string) bool {
	lower := strings.ToLower(strings.TrimSpace(s))
	switch {
	case len(s) > longest, strings.Contains(s, "-----"), strings.ContainsAny(s, "\r\n{"), strings.Contains(s, `\n`),
		strings.HasPrefix(lower, "data:"), strings.HasPrefix(lower, "base64:"):
		return false
	}
	return strings.HasPrefix(s, "/") || strings.Contains(s, ".") || len(s) < keyLike
}
