// Package operator answers what an operator asks of a running gateway: who is
// connected, which client is slow, which topic has most sessions, what is shared, how
// the brokers are, what configuration is in effect, who was refused and why. It also
// closes a session, changes the log level and takes profiles.
//
// It is an [http.Handler] below [Prefix] that asks a [Source] when it is asked itself:
// nothing is kept for it while nobody looks, and a session costs nothing more.
// Whether a client may look at all is decided in front of it; what only an
// operator may do it is told with each request, see [AllowActions].
package operator
