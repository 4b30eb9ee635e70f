// Package codec turns bytes into the frames of Pulsar's WebSocket protocol and back: producer requests and
// their replies, pushed messages, the commands of consumers and readers, message ids, base64 and error codes.
//
// It does no I/O and knows no Pulsar client. Every function is safe for concurrent use, keeps no state and
// retains none of the slices it is given: decoded values are copies, encoders append to the caller's buffer
// and allocate only to grow it.
//
// # Decoding
//
// [DecodeSend] and [DecodeCommand] read RFC 8259 JSON with a hand-written single-pass scanner. They are as
// lenient and as strict as the Java proxy of Pulsar 4.0.7 (Jackson 2.17) is, as far as clients can tell:
//
//   - Field names are case-sensitive, if a field is given twice, the last one is used, unknown fields are skipped.
//   - Where a string is expected, a number or a boolean is accepted and stands for its characters exactly as sent.
//   - Where an integer is expected, a quoted one is accepted, and a fraction is cut off.
//   - What follows the closing brace of a frame's object is ignored.
//   - More than 1000 levels of nesting, control characters inside strings, unknown escapes, invalid UTF-8 and a
//     byte order mark are errors.
//   - Half of a surrogate pair becomes U+FFFD.
//
// Whatever a client sends, decoding takes time and memory linear in the length of its frame.
//
// # Encoding
//
// The Append functions write complete JSON texts without a WebSocket header. Their output is valid UTF-8 even
// when a native client stored something else: each bad byte becomes U+FFFD. Properties are sorted by name, so
// one message always gives the same bytes.
package codec
