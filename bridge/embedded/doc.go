// Package embedded is the upstream inside this process: topics, subscriptions
// and cursors in memory, for trying out and for fast tests. Nothing survives
// the process.
//
// It behaves as a Pulsar broker with default settings does: topics are created
// by their first use; a namespace has to exist, but one of the old form
// property/cluster/namespace always does; a durable subscription outlives its
// consumers. Where the broker leaves a choice the better one is taken: a
// batch's messages are dispatched, acknowledged and redelivered one by one, and
// what never reached a receiver comes without a raised redelivery count.
//
// Differences that can be seen from outside:
//
//   - Messages no subscription needs are kept for readers until the memory
//     limit asks for their place ([Options.MemoryLimit]).
//   - Sequence ids leave no trace: message deduplication is off, as it is by
//     default in Pulsar.
//   - Redeliver on Exclusive and Failover subscriptions brings exactly what was
//     asked for, its count raised, and dead letters work there too. A broker
//     repeats all that is not acknowledged and counts nothing.
//   - The active consumer of a Failover subscription on a topic without
//     partitions is the first that came, not one chosen by a hash.
//
// All state is the [Upstream]'s, under its one lock. Receivers are called without it, by whoever brought something about or by the
// one goroutine that the Upstream has, which also runs the timers (of delayed messages, for instance). Its Close ends that and waits for it.
package embedded
