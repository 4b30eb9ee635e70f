// Package server holds the sockets: it accepts connections, speaks HTTP and
// WebSocket on them and attaches sessions to the bridge.
//
// # Goroutines
//
// A connection has none of its own; only a request that is no session has one while its
// handler runs. These kinds of goroutines exist:
//
//   - One for each listener accepts. It hands a connection to a poller ([entrance]) and
//     to a worker.
//   - nbio's pollers read, one less than there are CPUs. A readable socket's bytes are parsed and handed to
//     its session right there, one turn of them; see [turnBytes].
//   - Workers, one for each CPU, write, and read what the pollers left. A connection belongs to
//     one worker for its whole life; that worker alone asks its session for output, writes to
//     its socket and keeps its deadlines, so what is only used for this is under no lock. Whoever
//     wants something done for a connection sets a bit and queues it
//     ([conn.wake]). It serves its sessions first, and in between those connections that come or
//     go; where clients have these come faster than it can serve them, no more are accepted meanwhile.
//   - Requests that are no session, such as /metrics, run as ordinary
//     [http.Handler] calls on goroutines, a bounded number of them; logins of
//     sessions that have to ask someone do, too. Those for the broker stream, see [stream].
//   - One tells workers what nbio does not: that a peer has ended its direction, and
//     that a socket takes output again ([watch]).
//   - TLS handshakes run on a few goroutines of their own, as they take CPU, and
//     so do messages that take long to decompress or to understand.
//   - One looks for newer certificates from time to time.
//
// No poller and no worker waits for a client, a broker or a disk. A client that does not
// read is not written to; a session that takes no more is not read from.
//
// # The trips
//
// A connection comes in: accept, entrance, then receive for its requests. One that wants a
// session: request, session, identity where clients log in. A message in: receive, and the
// bridge. A message out: the bridge wakes the worker; flush. How a connection ends: close,
// by the table in package life; drain when the server stops.
//
// # Locks
//
// They are taken in this order; each is held for a turn of input at most, and no two of a
// kind are held together:
//
//   - bodyMu and headMu of a [stream]
//   - conn.mu: the incoming side, and the state
//   - the bridge's, within the calls of a session
//   - conn.note, which guards what is left for the worker
//   - the queues': worker.mu, and those of the handshakes and the costly messages
//   - nbio's of a connection, tlsio's and all others, under which nothing is called
//
// [entrance] has one beside them, under which a worker's queue may be taken.
package server
