// Package subscribe is what a consumer session does: it gets the messages of a subscription and says what became of each.
// It has an upstream consumer of its own, since a broker's guarantees are given to a consumer; on a Shared subscription
// sessions share them where they are very many, see [group].
//
// # The trip of a message
//
// feed.Deliver has the [ledger] choose a session, and wakes it; session.Fill takes the message from the session's queue.
// An acknowledgement comes by session.Handle, which has the ledger end the delivery: the [feed]
// that brought it is told, and granted a permit.
//
// # State
//
// [Consumers] has the groups of those that sessions may join; a [subscription] its feeds and its ledger,
// which has the sessions, each a [member], and every message that one of them has. The ledger is pure: a step returns its
// decisions as [effects]. What is queued for a session is bounded by its window and, in bytes, by [ahead].
//
// Goroutines: none for a session or a message. Deliver runs on the upstream's, Handle and Fill on their callers'; a session
// whose messages wait for a redelivery, or for a late acknowledgement, has a timer. A subscription has a goroutine while
// a feed is opened or closed, or it is deleted; a session one while isEndOfTopic is asked. The [pool.Keeper] counts them.
//
// # Locks
//
//  1. Consumers.mu: the groups, and the subscriptions in each.
//  2. subscription.mu: its ledger and all its sessions.
//
// Under the first [bridge.Consumer.Connected] is called: whoever joins a group must find it so. Under the second
// [bridge.Consumer.Congested] is called: a session that stalls must not miss that it is over. Nothing else of
// an upstream is called under them, and nothing of a [bridge.Outlet].
package subscribe
