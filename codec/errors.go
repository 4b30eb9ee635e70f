package codec

import (
	"strconv"
	"unicode/utf8"
)

// Code is an error code of the protocol. It goes out as "send-error:N" in a producer's reply and, as
// [Code.CloseCode], when a session is closed.
type Code int

// The protocol's error codes.
const (
	CodeCreateProducer Code = 1
	CodeSubscribe      Code = 2
	CodeDeserialize    Code = 3
	CodeSerialize      Code = 4
	CodeAuthenticate   Code = 5
	CodeAuthorize      Code = 6
	CodePayload        Code = 7
	CodeUnknown        Code = 8
)

var codeTexts = [...]string{
	CodeCreateProducer: "Failed to create producer",
	CodeSubscribe:      "Failed to subscribe",
	CodeDeserialize:    "Failed to de-serialize from JSON",
	CodeSerialize:      "Failed to serialize to JSON",
	CodeAuthenticate:   "Failed to authenticate client",
	CodeAuthorize:      "Client is not authorized",
	CodePayload:        "Invalid payload encoding",
	CodeUnknown:        "Unknown error",
}

// Text is the code's meaning in the protocol's words. Numbers outside 1 to 8 read as [CodeUnknown].
func (c Code) Text() string {
	if c < CodeCreateProducer || c > CodeUnknown {
		c = CodeUnknown
	}
	return codeTexts[c]
}

// CloseCode is the WebSocket close code that stands for c: 4000 + c. The codes themselves cannot be sent, as
// RFC 6455 section 7.4.2 reserves 0 to 999 and leaves 4000 to 4999 to applications.
func (c Code) CloseCode() int { return 4000 + int(c) }

// Error says which code a client gets and why.
type Error struct {
	Code   Code
	Detail string // names the field or value at fault; empty when Code's text says it all
}

// Error is the code's text, followed by the detail when there is one.
func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Code.Text()
	}
	return e.Code.Text() + ": " + e.Detail
}

// maxCloseReason is what RFC 6455 section 5.5 leaves for a close frame's reason: 125 bytes less the code.
const maxCloseReason = 123

// CloseReason is the error's text, cut to the 123 bytes that fit a close frame, never within a character.
func (e *Error) CloseReason() string {
	s := e.Error()
	if len(s) <= maxCloseReason {
		return s
	}
	cut := maxCloseReason
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

// maxQuoted bounds what of a client's value is repeated in an error, in bytes.
const maxQuoted = 40

// quote renders a client's value for an error's detail, shortened when long.
func quote(text []byte) string {
	if len(text) <= maxQuoted {
		return strconv.Quote(string(text))
	}
	return strconv.Quote(string(text[:maxQuoted])) + "..."
}
