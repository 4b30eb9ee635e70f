package http1

import (
	"net/http"
	"strings"
)

// MaxKey bounds a Sec-WebSocket-Key, in bytes.
const MaxKey = 1024

// CheckUpgrade checks a client's handshake (RFC 6455 section 4.2.1). The key should
// be 16 bytes in base64, but nothing depends on it: devices send other lengths, and
// text that is no base64. RFC 6455's own example does not stand up to a strict decoder.
func CheckUpgrade(h *Head, header http.Header) *Refusal {
	if h.Method != http.MethodGet {
		return &Refusal{Status: http.StatusMethodNotAllowed, Reason: "a session is opened with GET", Header: "Allow: GET"}
	}
	if !hasToken(header["Upgrade"], "websocket") {
		return &Refusal{Status: http.StatusUpgradeRequired, Reason: "a session is opened with a WebSocket upgrade", Header: "Upgrade: websocket"}
	}
	if !h.HTTP11 {
		return Refused(http.StatusBadRequest, "a WebSocket upgrade requires HTTP/1.1")
	}
	if !hasConnectionToken(header, "upgrade") {
		return Refused(http.StatusBadRequest, "header field Connection must contain Upgrade")
	}
	if v := header.Get("Sec-Websocket-Version"); v != "13" {
		return &Refusal{Status: http.StatusUpgradeRequired, Reason: "only version 13 of the WebSocket protocol is supported", Header: "Sec-WebSocket-Version: 13"}
	}
	switch key := header.Get("Sec-Websocket-Key"); {
	case key == "":
		return Refused(http.StatusBadRequest, "missing header field Sec-WebSocket-Key")
	case len(key) > MaxKey:
		return Refused(http.StatusBadRequest, "header field Sec-WebSocket-Key is too long")
	}
	if h.Body > 0 {
		return Refused(http.StatusBadRequest, "a WebSocket upgrade has no body")
	}
	return nil
}

// OriginAllowed checks where a browser's page came from (RFC 6455 section
// 10.2). Clients that are no browsers send no Origin and are not held up.
func OriginAllowed(allowed map[string]bool, header http.Header) bool {
	origin := header.Get("Origin")
	return len(allowed) == 0 || origin == "" || allowed[normalOrigin(origin)]
}

// OriginSet prepares origins for [OriginAllowed].
func OriginSet(origins []string) map[string]bool {
	set := map[string]bool{}
	for _, o := range origins {
		set[normalOrigin(o)] = true
	}
	return set
}

// normalOrigin makes origins comparable: scheme and host are case-insensitive,
// and the port of the scheme may be left out.
func normalOrigin(o string) string {
	o = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(o), "/"))
	if s, ok := strings.CutSuffix(o, ":443"); ok && strings.HasPrefix(o, "https://") {
		return s
	}
	if s, ok := strings.CutSuffix(o, ":80"); ok && strings.HasPrefix(o, "http://") {
		return s
	}
	return o
}
