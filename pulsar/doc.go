// Package pulsar is a client to Pulsar's brokers for a program that serves very many
// clients of its own: everything is multiplexed on few connections.
//
// # Who runs
//
// A [Client] has one goroutine for all that is due at some time, and each connection
// two: one reads (and opens the connection first), one writes. HTTP lookups and logins
// that a broker asks for take one each while they last. A producer, a message or a request has
// none, and no channel and no timer either: it is a struct, and what
// happens to it is told through an interface. So is a consumer.
//
// # What it does
//
// It publishes ([Client.NewProducer], or [Client.OpenPublisher] on partitioned topics), and it consumes
// ([Client.NewConsumer], or [Client.OpenGroup] on several topics, partitioned ones and those that match): with subscriptions of all four types, durable or
// not. A reader is a consumer of an Exclusive subscription that is not durable: it has each message once, in order and without a gap.
// Brokers tell of topics that match as they come and go. Where they do not, the namespace is listed once a minute, as partitions are asked for.
//
// # On whose behalf
//
// All of it may be done on behalf of others ([ProducerOptions.Principal], [Client.Hold]), by a login that brokers know as a proxy's: each role has
// connections of its own then, and the brokers decide what it may do.
//
// # Callbacks
//
// They are called on a goroutine of the client or on the caller's, never with one of
// the client's locks held, and must not block: until they return, the connection reads nothing.
//
// Messages are delivered by the goroutine that reads from the connection they came over, and by no other: also those that had to wait
// for [Permits], for whose sake it stops waiting for the broker.
//
// # Locks
//
// In the order in which they may be taken: Producer.mu or Consumer.mu, conn.mu, alarms.mu; Consumer.mu, Permits.mu or doubts.mu; and principals.mu, pool.mu or
// alarms.mu. The others (Client.mu, partitioned.mu, topicWatch.mu, and Group.mu, under which groupTurns.mu may be taken) are held for a few instructions, with no
// other taken. Methods whose name ends in Locked are
// called with the lock of their type held.
package pulsar
