// Package pulsar is the upstream over a real Pulsar cluster: [New] returns a [bridge.Upstream].
//
// It is a thin adapter to pulsegate's own client. What is done here beside turning one's types into the other's:
//
//   - Dead letters, counted as Java does ([deadLetters]).
//   - Encryption with the keys of a directory ([encrypter], [decrypter]).
//   - The end of a topic for those a broker does not tell of it ([endings]), and authorization's questions, over the admin API.
//   - Logins by their names and parameters in Java, and stores of Java.
package pulsar
