// Package bench puts load on any server of Pulsar's WebSocket protocol and
// measures what it does with it.
//
// A [Plan] says what to do: groups of sessions, what the producers among them
// send, and for how long. [Run] does it in five steps: open all sessions, warm
// up, measure, drain (no new messages, but those under way are waited for),
// close. What it saw is a [Result].
//
// Sessions live on few event loops (package loop), each of which owns its
// sessions and counts on its own; once a second the counts are collected. An
// idle session costs a few hundred bytes here, so that one process can hold as
// many as it may have descriptors. For more, and for more cores than loops of one
// process can use, a run may be spread over several processes: the one that
// leads gives orders and adds up what the others say ([ServeWorker]).
//
// With a target pulsar:// clients of Pulsar's own protocol take the place of the
// sessions: what programs get that need no gateway.
//
// # What is measured
//
// Every message carries a stamp: who sent it, its number, and when it was to be
// sent. At a fixed rate the latter is the time in the schedule, not the time at
// which the socket took it. A server that stalls for a second therefore shows as
// a second of latency for all messages that were due in it, however few of them
// were on their way (no coordinated omission). Messages still unanswered at the
// end count with the time they have waited.
//
// What was confirmed to a producer must reach every subscription and reader on
// its topic that was open before: once, and on each session in the order of its
// producer. What is lost, repeated or out of order is counted, always.
package bench
