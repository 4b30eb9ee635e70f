package ws

import "testing"

var negotiateCases = []struct {
	name   string
	offers []string
	ok     bool
}{
	{"nothing", nil, false},
	{"empty", []string{""}, false},
	{"plain", []string{"permessage-deflate"}, true},
	{"as browsers offer it", []string{"permessage-deflate; client_max_window_bits"}, true},
	{"all parameters", []string{"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15; client_max_window_bits=8"}, true},
	{"no space", []string{"permessage-deflate;client_max_window_bits=15"}, true},
	{"much space", []string{" \tpermessage-deflate ; client_max_window_bits = 12 "}, true},
	{"quoted value", []string{`permessage-deflate; client_max_window_bits="12"`}, true},
	{"quoted value with an escape", []string{`permessage-deflate; client_max_window_bits="1\2"`}, true},
	{"quoted value that is no token", []string{`permessage-deflate; client_max_window_bits="1 2"`}, false},
	{"quote that does not end", []string{`permessage-deflate; client_max_window_bits="12`}, false},
	{"other extension", []string{"x-webkit-deflate-frame"}, false},
	{"behind another extension", []string{"foo; bar=1, permessage-deflate"}, true},
	{"in the second header", []string{"foo", "permessage-deflate"}, true},
	{"behind a broken header", []string{"=", "permessage-deflate"}, true},
	{"in a broken header", []string{"permessage-deflate, ="}, false},
	{"empty list elements", []string{",, permessage-deflate ,"}, true},
	{"small server window", []string{"permessage-deflate; server_max_window_bits=10"}, false},
	{"small server window, then none", []string{"permessage-deflate; server_max_window_bits=10, permessage-deflate"}, true},
	{"server window without a value", []string{"permessage-deflate; server_max_window_bits"}, false},
	{"server window out of range", []string{"permessage-deflate; server_max_window_bits=16"}, false},
	{"client window too small", []string{"permessage-deflate; client_max_window_bits=7"}, false},
	{"client window too large", []string{"permessage-deflate; client_max_window_bits=16"}, false},
	{"leading zero", []string{"permessage-deflate; client_max_window_bits=08"}, false},
	{"plus sign", []string{"permessage-deflate; client_max_window_bits=+9"}, false},
	{"empty value", []string{"permessage-deflate; client_max_window_bits="}, false},
	{"value where none belongs", []string{"permessage-deflate; server_no_context_takeover=1"}, false},
	{"unknown parameter", []string{"permessage-deflate; foo"}, false},
	{"unknown parameter, then a good offer", []string{"permessage-deflate; foo, permessage-deflate"}, true},
	{"repeated parameter", []string{"permessage-deflate; client_max_window_bits; client_max_window_bits=15"}, false},
	{"missing parameter", []string{"permessage-deflate;"}, false},
	{"two words", []string{"permessage-deflate foo"}, false},
}

func TestNegotiateDeflate(t *testing.T) {
	for _, c := range negotiateCases {
		t.Run(c.name, func(t *testing.T) {
			response, ok := NegotiateDeflate(c.offers)
			if ok != c.ok || ok && response != "permessage-deflate; server_no_context_takeover; client_no_context_takeover" || !ok && response != "" {
				t.Errorf("%q, %v", response, ok)
			}
		})
	}
}

func TestAcceptKey(t *testing.T) {
	// The example of RFC 6455 section 1.3.
	if got := AcceptKey("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Error(got)
	}
}
