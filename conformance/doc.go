// Package conformance holds one table of cases for everything that speaks
// Pulsar's WebSocket protocol, and the harness that runs it.
//
// The same table runs against three targets: pulsegate on its embedded
// upstream, pulsegate on a real Pulsar broker, and the Java WebSocket proxy on
// the same broker. The Java proxy keeps the table honest: a case it fails must
// carry a reason in Case.Better, and a case with a reason must fail there.
// pulsegate has to pass every case but those with a reason in Case.Worse.
//
// A case drives real sockets through a small RFC 6455 client (see Conn) that
// can send any bits. It never sleeps to see that nothing comes: it waits for an
// event that would have come later (see Session.Fence).
package conformance
