// Package server holds the sockets: it accepts connections, speaks HTTP and
// WebSocket on them and attaches sessions to the bridge.
//
// There is no goroutine for a connection. These kinds of goroutines exist:
//
//   - nbio's pollers read. A readable socket's bytes are parsed and handed to
//     its session right there, one turn of them; see [turnBytes].
//   - Workers, one for each CPU, write, and read what the pollers left. A connection belongs to one worker for
//     its whole life; that worker alone asks its session for output, writes to
//     its socket and keeps its deadlines, so none of this needs a lock. Whoever
//     wants something done for a connection sets a bit and queues it
//     ([conn.wake]).
//   - Requests that are no session, such as /metrics, run as ordinary
//     [http.Handler] calls on goroutines, a bounded number of them; logins of
//     sessions that have to ask someone do, too. Those for the broker stream, see [stream].
//   - One tells workers what nbio does not: that a peer has ended its direction, and
//     that a socket takes output again ([watch]).
//   - TLS handshakes run on a few goroutines of their own, as they take CPU, and
//     so do messages that take long to decompress or to understand.
//
// Nothing on a poller or worker blocks. A client that does not read is not
// written to; a session that takes no more is not read from.
package server
