package config

import (
	"strings"
	"testing"
)

// mustParse parses lines of a file called t.conf.
func mustParse(t *testing.T, file string, sets ...string) (*Config, []Notice) {
	t.Helper()
	c, notices, err := parse("t.conf", []byte(file), nil, sets)
	if err != nil {
		t.Fatalf("%q with %q: %v", file, sets, err)
	}
	return c, notices
}

// kindsOf tells the kind of the notice of each key.
func kindsOf(notices []Notice) map[string]NoticeKind {
	m := make(map[string]NoticeKind)
	for _, n := range notices {
		m[n.Key] = n.Kind
	}
	return m
}

// wantError checks that err names all of parts.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not contain %q", err, part)
		}
	}
}
