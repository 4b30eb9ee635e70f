//go:build linux

package bench

import (
	"time"

	"github.com/pulsegate/pulsegate/bench/measure"
)

// fleet is the sessions of a run, wherever they live: on event loops of this
// process ([run]), on those of several processes ([processes]), or as clients of
// Pulsar's own protocol ([natives]). Its methods are called from one goroutine,
// but for standing, which any may call.
//
// The order is: window (for a backlog), ramp, begin, end, finish, ledger, close;
// close may come at any time.
type fleet interface {
	// ramp begins to open all sessions. The channel is closed when all were tried.
	ramp() <-chan struct{}
	// window sets the time from which on latencies count, and until when.
	window(from, to int64)
	// watched tells which subscriptions and readers have a session.
	watched() watched
	// begin lets the producers send.
	begin(beginning)
	// end makes the given time the end: nothing is due from then on.
	end(at int64)

	// reports hands over what was counted; latencies are those since the last call.
	reports() []*report
	standing() standing
	usage() usage

	// finish closes all sessions in order.
	finish() ending
	// ledger compares what came with all that was published. It follows finish.
	ledger(all []published) ledger
	close()
	// err is why the fleet cannot go on; nil: nothing is wrong.
	err() error
}

// report is what a worker hands over once in a while.
type report struct {
	Counts     counts
	Open       int // sessions
	Unanswered uint64
	Unsent     uint64
	Backlog    uint64 // messages due and not sent
	Faults     map[string]uint64

	OpenLatency, Publish, EndToEnd, Lateness *measure.Latency // since the last report; nil: none
}

// tally is what became of the openings of a group.
type tally struct{ Opened, Failed int64 }

// standing is where the sessions stand.
type standing struct {
	Counts  counts
	Busy    bool // something is not answered, or still to be sent
	Tallies []tally
	Ramped  bool
}

func (s *standing) add(o *standing) {
	s.Counts.add(&o.Counts)
	s.Busy = s.Busy || o.Busy
	for i, t := range o.Tallies {
		if i == len(s.Tallies) {
			s.Tallies = append(s.Tallies, tally{})
		}
		s.Tallies[i].Opened += t.Opened
		s.Tallies[i].Failed += t.Failed
	}
}

// usage is what the generator itself has used.
type usage struct {
	Own   measure.Process
	Loops []time.Duration // CPU time of each event loop
}

func (u *usage) add(o usage) {
	u.Own.Add(o.Own)
	u.Loops = append(u.Loops, o.Loops...)
}

// watched is who gets the messages of a topic: subscriptions and readers that
// have a session, but for those whose losses do not count.
type watched struct {
	Own    []uint64       // by topic: those that belong to one session
	Shared map[string]int // subscriptions of several sessions: the topic of each
}

func (w *watched) add(o watched) {
	for i, n := range o.Own {
		w.Own[i] += n
	}
	for name, topic := range o.Shared {
		w.Shared[name] = topic
	}
}

// perTopic is how often a message of each topic is to be delivered.
func (w *watched) perTopic() []uint64 {
	n := append([]uint64(nil), w.Own...)
	for _, topic := range w.Shared {
		n[topic]++
	}
	return n
}

// beginning is the order to send from a time on, each producer at most Limit
// messages if that is not 0. Latencies of what is due in From to To count.
type beginning struct {
	At, From, To int64
	Limit        uint64
	PerTopic     []uint64 // see [watched]
}

// ending is what is left when all sessions are closed.
type ending struct {
	Reports   []*report
	Published []published
	Tallies   []tally
}

// published is what one producer has sent.
type published struct {
	Topic   int
	Source  measure.Source
	Sent    uint64
	Excused []uint64 // numbers without a confirmation
}

// ledger is what is wrong with the messages that came, as far as it can only be
// told in the end.
type ledger struct {
	Lost     uint64
	Behind   uint64 // of them, those behind the last that came
	Repeated uint64 // seen by several processes, beside those counted before
	// Shared are subscriptions that other processes may have a part of, which
	// are not in Lost.
	Shared []sharedSeen
}

// sharedSeen is what a part of a subscription's sessions have seen of a source.
type sharedSeen struct {
	Name   string
	Topic  int
	Source measure.Source
	Spans  []measure.Span
}

// share is the part of a run's sessions that one process has: those whose number
// is Index modulo Of.
type share struct{ Index, Of int }

var alone = share{0, 1}
