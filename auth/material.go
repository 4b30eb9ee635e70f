package auth

import (
	"encoding/base64"
	"errors"
	"net/url"
	"os"
	"path"
	"strings"
)

// maxMaterial bounds a key or a file of users, in bytes.
const maxMaterial = 16 << 20

var (
	errTooLarge = errors.New("the file is too large")
	errNoFile   = errors.New("there is no such file; base64 that starts with a slash has to be written data:;base64,…")
	errMaterial = errors.New("neither data:;base64,…, file:///path, the path of a file that exists, nor base64")
)

// material reads the value of a setting in the forms that Pulsar takes: data:
// with or without ;base64, file:, a path, or plain base64. For files only the
// path is returned. Errors do not repeat the value.
func material(value string) (data []byte, file string, err error) {
	switch {
	case strings.HasPrefix(value, "data:"):
		head, body, ok := strings.Cut(value[len("data:"):], ",")
		if !ok {
			return nil, "", errors.New("data: has no comma before its content")
		}
		if !strings.HasSuffix(head, ";base64") {
			return []byte(body), "", nil
		}
		if data, ok = decode64(body); !ok {
			return nil, "", errors.New("the content of data: is not base64")
		}
		return data, "", nil
	case strings.HasPrefix(value, "file:"):
		return nil, filePath(value), nil
	}
	if info, err := os.Stat(value); err == nil && !info.IsDir() {
		return nil, value, nil
	}
	// The path of a file that is missing can be valid base64, and would make a
	// secret that anyone could guess.
	if strings.HasPrefix(value, "/") {
		return nil, "", errNoFile
	}
	if data, ok := decode64(value); ok {
		return data, "", nil
	}
	return nil, "", errMaterial
}

// filePath takes a file: URL as Java writes them.
func filePath(s string) string {
	if u, err := url.Parse(s); err == nil && u.Opaque == "" {
		return path.Join("/", u.Host, u.Path)
	}
	return strings.TrimPrefix(s, "file:")
}

// decode64 takes base64 with or without padding, of either alphabet.
func decode64(s string) ([]byte, bool) {
	s = strings.TrimRight(strings.TrimSpace(s), "=")
	s = strings.NewReplacer("-", "+", "_", "/").Replace(s)
	b, err := base64.RawStdEncoding.DecodeString(s)
	return b, err == nil && len(b) > 0
}
