package codec

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCodes(t *testing.T) {
	texts := []string{1: "Failed to create producer", "Failed to subscribe", "Failed to de-serialize from JSON", "Failed to serialize to JSON",
		"Failed to authenticate client", "Client is not authorized", "Invalid payload encoding", "Unknown error"}
	for n := 1; n <= 8; n++ {
		if c := Code(n); c.Text() != texts[n] || c.CloseCode() != 4000+n {
			t.Errorf("%d: %q, %d", n, c.Text(), c.CloseCode())
		}
	}
	for _, c := range []Code{-1, 0, 9} {
		if c.Text() != texts[8] {
			t.Errorf("%d: %q", c, c.Text())
		}
	}
}

func TestErrorText(t *testing.T) {
	if got := (&Error{Code: CodeSubscribe}).Error(); got != "Failed to subscribe" {
		t.Error(got)
	}
	if got := (&Error{CodeSubscribe, "no such topic"}).CloseReason(); got != "Failed to subscribe: no such topic" {
		t.Error(got)
	}
	for pad := range 4 {
		e := &Error{CodeUnknown, strings.Repeat("x", pad) + strings.Repeat("😀", 100)}
		got := e.CloseReason()
		if len(got) > 123 || len(got) < 120 || !utf8.ValidString(got) || !strings.HasPrefix(e.Error(), got) {
			t.Errorf("%d bytes: %q", len(got), got)
		}
	}
	// A detail that is not UTF-8 must not make the cut run away.
	if got := (&Error{CodeUnknown, strings.Repeat("\x80", 200)}).CloseReason(); len(got) > 123 {
		t.Errorf("%d bytes", len(got))
	}
}
