// Package pulsar is the upstream over a real Pulsar cluster: [New] returns a [bridge.Upstream].
//
// Producers go over pulsegate's own client, to which this is a thin adapter. Consumers and
// readers go over pulsar-client-go. What that client library does not do, or does in a way that sessions would
// see, is done here:
//
//   - Reconnecting of consumers and readers. The library forgets, on a new
//     connection, messages it was about to hand over and the positions of
//     non-durable cursors, and is silent when it gives up. So each consumer is
//     told not to reconnect, and is replaced when its connection is lost; each
//     reader is reopened after the last message it delivered.
//   - Acknowledging messages of a batch, whoever received them ([entryTracker]).
//   - Acknowledgements are grouped without a timer per consumer ([acker]).
//   - Redelivery without a timer per consumer ([redeliverer]).
//   - Two commands of the broker that the library does harm with ([repair]).
//   - Dead letters: the library counts deliveries otherwise than Java, and
//     blocks on its producer ([deadLetters]).
//   - End of topic, and the last position of a topic.
package pulsar
