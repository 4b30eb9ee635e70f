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
// Nothing here blocks its caller, except where a comment says so.
package bridge
