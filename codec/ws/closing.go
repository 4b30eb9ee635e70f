package ws

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// The close codes this package names (RFC 6455 section 7.4.1).
const (
	CodeProtocolError uint16 = 1002
	CodeNoStatus      uint16 = 1005 // never on the wire: the close frame had no code
	CodeInvalidData   uint16 = 1007
	CodePolicy        uint16 = 1008
	CodeTooBig        uint16 = 1009
)

// maxReason is what a close frame has left beside its code, in bytes.
const maxReason = maxControl - 2

// CloseError is why a connection must be failed (RFC 6455 section 7.1.7): send
// a close frame with this code and reason, then drop the connection.
type CloseError struct {
	Code   uint16
	Reason string
}

// Error returns the reason. It names the rule that was broken and never holds
// what the client sent.
func (e *CloseError) Error() string { return "websocket: " + e.Reason }

// The verdicts. They are shared: nobody changes them.
var (
	errReservedBits     = &CloseError{CodeProtocolError, "reserved bits are set"}
	errReservedOpcode   = &CloseError{CodeProtocolError, "reserved opcode"}
	errUnmasked         = &CloseError{CodeProtocolError, "a client's frame is not masked"}
	errControlSplit     = &CloseError{CodeProtocolError, "a control frame is fragmented"}
	errControlLong      = &CloseError{CodeProtocolError, "a control frame is longer than 125 bytes"}
	errNotStarted       = &CloseError{CodeProtocolError, "a continuation frame without a message to continue"}
	errNotFinished      = &CloseError{CodeProtocolError, "a new message inside a fragmented one"}
	errLengthNotMinimal = &CloseError{CodeProtocolError, "a frame's length is not encoded in the fewest bytes"}
	errLengthNegative   = &CloseError{CodeProtocolError, "a frame's 64-bit length has its top bit set"}
	errCloseShort       = &CloseError{CodeProtocolError, "a close frame with half a code"}
	errCloseCode        = &CloseError{CodeProtocolError, "a close frame with an invalid code"}
	errCloseReason      = &CloseError{CodeInvalidData, "a close reason is not UTF-8"}
	errText             = &CloseError{CodeInvalidData, "a text message is not UTF-8"}
	errInflate          = &CloseError{CodeInvalidData, "a compressed message cannot be decompressed"}
	errRestarts         = &CloseError{CodePolicy, "a compressed message has too many final blocks"}
	errTooBig           = &CloseError{CodeTooBig, "a message is too big"}
)

// validCode reports whether a client may send code in a close frame: those of
// RFC 6455 section 7.4.1 that are not reserved for use off the wire, those the
// IANA registry adds (1012 to 1014), and the ranges for libraries and
// applications, 3000 to 4999.
func validCode(code uint16) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
		return true
	}
	return false
}

// parseClose takes a close frame's payload apart (RFC 6455 section 5.5.1). An
// empty one gives [CodeNoStatus].
func parseClose(payload []byte) (code uint16, reason string, err *CloseError) {
	switch len(payload) {
	case 0:
		return CodeNoStatus, "", nil
	case 1:
		return 0, "", errCloseShort
	}
	code = binary.BigEndian.Uint16(payload)
	if !validCode(code) {
		return 0, "", errCloseCode
	}
	if !utf8.Valid(payload[2:]) {
		return 0, "", errCloseReason
	}
	return code, string(payload[2:]), nil
}

// AppendClose appends a close frame. The code [CodeNoStatus], or 0, stands for
// a frame without code and reason: it is the echo of a close that had none. The
// reason is made valid UTF-8 and cut to 123 bytes between two characters.
func AppendClose(dst []byte, code uint16, reason string) []byte {
	if code == CodeNoStatus || code == 0 {
		return append(dst, bitFin|byte(OpClose), 0)
	}
	reason = strings.ToValidUTF8(reason, string(utf8.RuneError))
	if len(reason) > maxReason {
		end := maxReason
		for !utf8.RuneStart(reason[end]) {
			end--
		}
		reason = reason[:end]
	}
	dst = append(dst, bitFin|byte(OpClose), byte(2+len(reason)))
	dst = binary.BigEndian.AppendUint16(dst, code)
	return append(dst, reason...)
}
