// Package auth decides who a client is and what it may do, by the rules and the
// settings of Pulsar's brokers and proxies.
//
// An [Authenticator] turns credentials into a [Principal]: a JSON web token, a
// user's password, or a certificate that TLS has verified. An [Authorizer]
// knows what a role may do; it reads Pulsar's policies through the brokers'
// admin API and keeps them for a bounded time. A [Gate] is both together, and
// what the server asks: once when a session is opened, and again whenever the
// policies behind open sessions have changed.
//
// Nothing here holds a goroutine or a timer for a session. What may take long
// says so; it must not be called on an event loop.
package auth
