// Package pulsar is the upstream over a real Pulsar cluster: [New] returns a [bridge.Upstream].
//
// It is a thin adapter to pulsegate's own client. What is done here beside turning one's types into the other's:
//
//   - Dead letters, counted as Java does ([deadLetters]).
//   - Encryption with the keys of a directory ([encrypter], [decrypter]).
//   - The end of a topic for those a broker does not tell of it ([endings]), and authorization's questions, over the admin API.
//   - Logins by their names and parameters in Java, and stores of Java.
//
// What is opened belongs to the [Upstream], which has two goroutines, one for what is overdue and one for stores that change, and one for
// each question to the admin API and each thing that has to wait. Its Close ends them all and waits for them, for a while: an
// answer that does not come holds up nothing. Receivers are called on the client's goroutines.
package pulsar
