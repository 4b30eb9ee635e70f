// Package read is what a reader session does: it reads a topic from a position on, without a subscription at the broker.
// Sessions at a topic's end share one upstream reader, the [tail]: a bounded ring of encoded frames in which
// a session is a [cursor]. Sessions that are behind share a [catchUp] with those that have read as much, until they
// have caught up with the tail.
//
// # The trip of a broadcast
//
// stream.Deliver encodes a message once, puts it into its [ring] and wakes the cursors at its end;
// session.Fill takes frames from the ring. A cursor that the ring has gone on without falls back to a catch-up.
//
// # State
//
// [Readers] has the tails, their catch-ups and what is known of topics with [partitions]; a [stream], which a tail and
// a catch-up are, its upstream reader, its ring and who waits at its end; a [session] its cursors, one for each
// partition. A ring is bounded in bytes, and what is under way to it by what fits.
//
// Goroutines: none for a session or a message. Deliver runs on the upstream's, Fill on its caller's. A stream has
// one while it is opened or closed; a cursor one while it falls back; a topic one while its partitions are looked for; a
// session one while isEndOfTopic is asked. The [pool.Keeper] counts them.
//
// # Locks
//
//  1. session.mu: where its cursors are.
//  2. Readers.mu: the tails and their catch-ups, and the lease of each.
//  3. stream.mu: its ring and the cursors in it.
//  4. query.mu: nothing is locked under it.
//
// Of one line only one is held at a time. [bridge.Reader.Permit] may be called under the first, which no
// [bridge.Receiver] takes. Nothing else of an upstream is called under them, and nothing of a [bridge.Outlet].
// The methods of ring need the lock of its stream, all of them, and those of streamKind as it says.
package read
