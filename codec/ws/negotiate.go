package ws

import "strconv"

// deflateResponse accepts an offer of permessage-deflate. Neither parameter
// needs to be offered to be answered (RFC 7692 sections 7.1.1.1 and 7.1.1.2).
const deflateResponse = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// NegotiateDeflate picks an offer of permessage-deflate from the values of the
// request's Sec-WebSocket-Extensions headers. If ok, response is the value of
// that header in the 101 response, and the connection's Reader is told by
// [Reader.SetDeflate]; else the response has no such header.
//
// The client's first offer that can be met is taken (RFC 7692 section 5). One
// with an unknown or repeated parameter or a bad value is declined (section 7),
// and so is one that asks for a server_max_window_bits below 15: a message
// compressed once serves all sessions, with the usual window. Any
// client_max_window_bits is fine, as the window here is the largest. A header
// value with a syntax error offers nothing.
func NegotiateDeflate(offers []string) (response string, ok bool) {
	for _, value := range offers {
		list, ok := parseExtensions(value)
		if !ok {
			continue
		}
		for _, e := range list {
			if e.name == "permessage-deflate" && acceptable(e.params) {
				return deflateResponse, true
			}
		}
	}
	return "", false
}

// acceptable reports whether an offer with these parameters is taken.
func acceptable(params []param) bool {
	for i, p := range params {
		for _, q := range params[:i] {
			if p.name == q.name {
				return false
			}
		}
		switch p.name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if p.hasValue {
				return false
			}
		case "client_max_window_bits":
			if p.hasValue && windowBits(p.value) == 0 {
				return false
			}
		case "server_max_window_bits":
			if !p.hasValue || windowBits(p.value) != 15 {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// windowBits reads a window size: a decimal from 8 to 15 without leading zeros
// (RFC 7692 section 7.1.2). It returns 0 for anything else.
func windowBits(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 8 || n > 15 || s != strconv.Itoa(n) {
		return 0
	}
	return n
}
