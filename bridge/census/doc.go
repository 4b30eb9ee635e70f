// Package census knows which sessions are open, and counts what they do.
//
// Its one idea: a session enters and gets counters of its own, a [Producer] or a [Consumer], in
// which it counts without a lock; sums are made when somebody asks. What the rooms hold
// beside sessions (upstream clients, bytes of tails, messages without an acknowledgement) they count themselves.
//
// A [Registry] belongs to the hub. Its mutex guards the maps, and is taken when a session comes or goes and
// when somebody asks. Under it nothing is locked and nothing is called but [bridge.Outlet.RemoteAddr], so a
// session may enter or leave under any lock of a room. One goroutine runs here: [Registry.Run], which ends with
// its context.
package census
