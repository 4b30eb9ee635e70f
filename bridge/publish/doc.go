// Package publish is what a producer session does: it publishes to one topic through an upstream producer that
// it shares with the sessions of the same topic and parameters, the [bridge.ProducerSpec]. A named producer, or one
// with its own sequence, is never shared.
//
// # The trip of a publish
//
// session.Handle decodes the frame and puts it into the session's outbox; the outbox's owner takes a place
// of [turns] and hands it to the upstream's [bridge.Sender]. The answer comes to message.Sent, is queued
// and written by session.Fill, and the place goes to whose turn it is.
//
// # State
//
// [Producers] has the entries that sessions may find, with their leases; an [entry] its upstream
// producer and the sessions' [turns]; a [session] its outbox and its answers. What an answer has not come
// for is bounded for a session in number and bytes, and for all of them in bytes.
//
// Goroutines: none for a session or a publish. Handle and Fill run on their callers', Sent on the
// upstream's. An entry has one while its producer is created, made anew ([renewal]) or closed; the
// [pool.Keeper] counts it.
//
// # Locks
//
//  1. Producers.mu: the entries, and the lease of each.
//  2. session.mu, turns.mu, renewal.mu: nothing is locked under them.
//
// Only one of them is held at a time. No upstream and no [bridge.Outlet] is called under any.
package publish
