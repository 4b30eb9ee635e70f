// Package bridge has the words that put very many client sessions onto few upstream clients.
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
// # Rooms
//
// There is one for each thing that a client does, and a trip runs down one of them and back the same way:
//
//   - bridge/publish: producer sessions, which share an upstream producer for each topic and set of parameters.
//   - bridge/subscribe: consumer sessions, which have an upstream consumer each until they are very many.
//   - bridge/read: reader sessions, which share the end of a topic.
//   - bridge/census: which sessions there are, and what they do.
//
// They know this package and bridge/pool, which has the life of an upstream client from its creation to its leaving, and
// not each other. Package bridge/hub puts them together. No goroutine runs here, and but for [Bounds],
// [Questions] and [FullWindows] nothing here has state.
//
// # Locks
//
// State is decided under a lock, and carried out when it is released: Wake, Resume and End of an [Outlet]
// and all methods of an upstream are called without any of these, with the exceptions below.
// A lock may be taken while those above it are held, never the other way round; of one
// line only one is held at a time.
//
//  1. in read, session.mu: where its cursors are.
//  2. publish.Producers.mu, subscribe.Consumers.mu, read.Readers.mu: a pool, and the leases of what is in it.
//  3. in subscribe, subscription.mu: its ledger. In read, stream.mu: its ring and the cursors in it.
//  4. in publish, session.mu, turns.mu and renewal.mu; in read, query.mu; pool.Keeper.mu; census.Registry.mu: nothing is locked under them.
//
// The exceptions, all of methods that neither block nor call back into what is locked:
//
//   - [Consumer.Connected] is called under subscribe.Consumers.mu: whoever joins a group must find it so;
//   - [Consumer.Congested] is called under subscription.mu: a session that stalls must not miss that it is over;
//   - [Reader.Permit] may be called under read's session.mu, which no [Receiver] takes;
//   - [Outlet.RemoteAddr] is called under census.Registry.mu.
//
// A function that needs a lock says so: "mu is held".
//
// Nothing here blocks its caller, except where a comment says so.
package bridge
