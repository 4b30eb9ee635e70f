// Package ws is the server's side of the WebSocket protocol (RFC 6455) with
// permessage-deflate (RFC 7692), as pure functions of bytes: it does no I/O,
// starts no goroutine and knows no sockets.
//
// # Incoming
//
// A [Reader] is one connection's incoming side. It is built for very many idle
// connections: a Reader at rest is a few words and owns no buffer. Bytes go in
// through [Reader.Feed] as they arrive, cut at any place; whole messages, pings,
// pongs and the close come out through a [Handler]. A message that arrives in
// one piece is handed over where it lies, without a copy. What a client sent and
// the server must remember is kept in pooled buffers that grow with the bytes
// that really arrived, never with the length a header announces alone. Of a long frame most can be
// read right into such a buffer, see [Reader.Room].
//
// What breaks the protocol ends the connection with a [CloseError] that says
// which close code to send.
//
// # Outgoing
//
// [AppendFrame], [AppendText] and their kin append frames to the caller's
// buffer. A [Frame] is one message encoded once for many sessions, plain and
// compressed.
//
// # Compression
//
// [NegotiateDeflate] always answers with server_no_context_takeover and
// client_no_context_takeover (RFC 7692 section 7.1.1). A context kept from one
// message to the next is a window of 32 KiB and its tables in each direction,
// for each session; without it the state lives in a pool, as many as there are
// messages being compressed at this moment. It is also what lets all sessions
// share one compressed frame.
package ws
