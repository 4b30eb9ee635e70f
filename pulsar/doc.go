// Package pulsar is a client to Pulsar's brokers for a program that serves very many
// clients of its own: everything is multiplexed on few connections.
//
// # Who runs
//
// A [Client] has one goroutine for all that is due at some time, and each connection
// two: one reads (and opens the connection first), one writes. HTTP lookups and logins
// that a broker asks for take one each while they last. A producer, a message or a request has
// none, and no channel and no timer either: it is a struct, and what
// happens to it is told through an interface.
//
// # Callbacks
//
// They are called on a goroutine of the client or on the caller's, never with one of
// the client's locks held, and must not block: until they return, the connection reads nothing.
//
// # Locks
//
// In the order in which they may be taken: Producer.mu, conn.mu, alarms.mu. The others (Client.mu, pool.mu,
// partitioned.mu) are held for a few instructions, with no other taken. Methods whose name ends in Locked are
// called with the lock of their type held.
package pulsar
