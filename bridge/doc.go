// Package bridge puts very many client sessions onto few upstream clients.
//
// A session is one open WebSocket: it produces to one topic, consumes one
// subscription or reads one topic. The bridge knows no sockets: a session's
// socket is an [Outlet] that can be woken, and what is to be written is fetched
// with [Session.Fill] when the socket has room. It knows no Pulsar client
// either: an [Upstream] creates producers, consumers and readers, and the two
// implementations, bridge/pulsar and bridge/embedded, pass the same tests.
//
// Sharing must never be visible in what a client gets: same order, same
// redelivery, same errors as with one upstream client each.
//
//   - Producers: one per topic and set of parameters ([ProducerSpec] is the key).
//     A named producer, or one with its own sequence, is never shared.
//   - Consumers: one for each session, since the broker's guarantees are given to
//     a consumer; on a Shared subscription sessions share them where they are very
//     many, see [group].
//   - Readers at a topic's end share one upstream reader, the tail: a bounded
//     ring of encoded frames in which a session is a cursor.
//
// # Trips
//
//   - A publish: producerSession.Handle puts it into the session's outbox; the outbox's owner takes a
//     place of [turns] and hands it to the upstream's [Sender]; the answer comes to publish.Sent,
//     is queued and written by Fill.
//   - A broadcast: stream.Deliver encodes a message once, puts it into its ring and wakes the
//     cursors at its end; Fill takes frames from the ring.
//   - A message of a subscription: feed.Deliver has the [ledger] choose a session; Fill takes it from
//     the session's queue. An acknowledgement: consumerSession.Handle has the ledger end the
//     delivery; the feed that brought it is told, and gets a permit.
//
// # Locks
//
// State is decided under a lock, and carried out when it is released: Wake, Resume and End of an [Outlet]
// and all methods of an upstream are called without any of these, with the exceptions below.
// A lock may be taken while those above it are held, never the other way round; of one
// line only one is held at a time.
//
//  1. readerSession.mu: where its cursors are.
//  2. Bridge.mu: the pools, and the leases of what is in them.
//  3. subscription.mu: its ledger. stream.mu: its ring and the cursors in it.
//  4. producerSession.mu, turns.mu, renewal.mu, query.mu, registry.mu: nothing is locked under them.
//
// The exceptions, all of methods that neither block nor call back into what is locked:
//
//   - [Consumer.Connected] is called under Bridge.mu: whoever joins a group must find it so;
//   - [Consumer.Congested] is called under subscription.mu: a session that stalls must not miss that it is over;
//   - [Reader.Permit] may be called under readerSession.mu, which no [Receiver] takes;
//   - [Outlet.RemoteAddr] is called under registry.mu.
//
// A function that needs a lock says so: "mu is held". The methods of [ledger] and [ring]
// need that of their owner, all of them, and those of streamKind as it says.
//
// Nothing here blocks its caller, except where a comment says so.
package bridge
