package subscribe

import (
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/latency"
	"github.com/pulsegate/pulsegate/memory"
	names "github.com/pulsegate/pulsegate/topic"
)

// ledger knows of every message of a subscription who has it, and decides who
// gets the next one. It is pure: it calls neither an upstream nor an [bridge.Outlet], reads no
// clock and takes no lock. A step returns what it has decided in [effects], which the caller
// carries out when it has released the lock. The subscription's mutex guards all of it.
//
// Flow: the feeds are granted a permit for each free place of a session's
// window, up to perFeed, so they deliver only what a session has room for.
// What was granted for a session that left arrives all the same and waits here,
// or goes back.
//
// What has to agree after each step, and is checked by the tests:
//
//   - held are the messages that wait and those that the sessions own, each once;
//   - granted, room and unused are the sums of what the feeds hold and the sessions were counted with;
//   - a feed's out are the held messages that it delivered last, and the refused
//     ones that wait to be asked for at it;
//   - no message waits while a session that is ready has room for it;
//   - while there is room that no waiting message will take, each feed that may have a permit has one.
type ledger struct {
	// Constant.
	many    bool                // each id names its topic
	passing bool                // the topic does not keep its messages
	solo    bool                // one session for its whole life: it is the consumer, with what it asks for
	perFeed int                 // messages that one feed may have out and be granted, unless solo
	budget  *memory.Budget      // counts what waits here and in queues, and says what one session may have
	unacked *atomic.Int64       // the sum of held of all ledgers
	full    *bridge.FullWindows // of the sessions of all ledgers

	feeds    []*feed // a slice of it may be used without the lock; one at least while sessions are attached
	sessions members
	expected int // sessions that are attached or about to be
	ready    readyQueue
	turn     *member // gets the next message too, see nextSession
	taken    int     // messages of its turn
	ahead    ahead
	granted  int                   // permits that the feeds hold
	room     int                   // what all sessions take now
	unused   int                   // what is left of all their windows and permits
	asleep   []*member             // were given something in a run of their feed's, and are to be woken
	waiting  []parcel              // for a session with room, oldest first
	serial   uint64                // of the last message of a non-persistent topic
	held     map[heldKey]*delivery // every message delivered and not acknowledged; nil before the first
	furthest *heldKey              // of one partition's messages that were delivered; nil before the first
}

// delivery is one message that is in a session's hands, or in
// ledger.waiting while owner is nil. It ends when the message is acknowledged, or when the
// broker is asked, or will be asked, to deliver it again.
//
// next and prev link the deliveries of one owner, oldest first.
type delivery struct {
	id         codec.MessageID
	key        heldKey
	feed       *feed // that delivered it last
	owner      *member
	came, at   time.Duration // when it arrived, and when it was written, see clock; 0: it was not
	next, prev *delivery
}

// parcel is a message and where the ledger has it.
type parcel struct {
	m *codec.Message
	d *delivery
}

// clock is the time of a ledger: it takes eight bytes, and does not jump. It is never 0, which stands for no time.
func clock() time.Duration { return latency.Now() }

// heldKey identifies a message within a subscription, also one over many
// topics, as no two topics share a ledger of the broker. All messages of a non-persistent topic
// have one id, so serial tells them apart. It has the parts of a [codec.Position], not one, whose
// padding would cost each message held eight bytes.
type heldKey struct {
	ledger, entry    int64
	partition, batch int32
	serial           uint64 // 0 on persistent topics
}

func (k *heldKey) position() codec.Position {
	return codec.Position{Ledger: k.ledger, Entry: k.entry, Batch: k.batch}
}

func heldKeyOf(id *codec.MessageID) heldKey {
	return heldKey{ledger: id.LedgerID, entry: id.EntryID, partition: id.Partition, batch: id.BatchIndex}
}

// known finds what is held of a message that is delivered. One that is ahead of all others of its partition
// has not been delivered before, which is seen without looking among very many.
func (l *ledger) known(key *heldKey) *delivery {
	far := l.furthest
	switch {
	case key.serial != 0:
		return nil
	case far == nil:
		first := *key
		l.furthest = &first
		return nil
	case key.partition == far.partition && key.position().Compare(far.position()) > 0:
		*far = *key
		return nil
	}
	return l.held[*key]
}

// volatile reports that the id is of a non-persistent topic.
func (l *ledger) volatile(id *codec.MessageID) bool {
	if l.many {
		return !names.Persistent(id.Topic)
	}
	return l.passing
}

// deliver takes one message from a feed.
func (l *ledger) deliver(e *effects, f *feed, m *codec.Message) {
	if !f.gone {
		l.granted--
		f.granted--
	}
	key := heldKeyOf(&m.ID)
	if l.volatile(&m.ID) {
		l.serial++
		key.serial = l.serial
	}
	// What is held already the broker repeats after a lost connection, or with
	// another message of its batch: a client has it, or is about to.
	if d := l.known(&key); d != nil {
		d.feed.out--
		d.feed = f // only that one can ask for it again
		f.out++
	} else if l.expected > 0 {
		d := &delivery{id: m.ID, key: key, feed: f, came: f.came}
		f.out++
		if l.held == nil {
			l.held = map[heldKey]*delivery{}
		}
		l.held[key] = d
		l.unacked.Add(1)
		l.ahead.note(m)
		l.holdBytes(m.Memory())
		l.spread(e, parcel{m, d})
	}
	l.returnSurplus(e)
	l.topUp(e)
}

// gather puts off waking those that e would until f's run has ended, or is as long as a run may be.
func (l *ledger) gather(e *effects, f *feed) {
	if e.first != nil {
		l.sleep(e.first)
	}
	for _, s := range e.more {
		l.sleep(s)
	}
	e.first, e.more = nil, nil
	if f.run++; f.run >= maxRun {
		l.wakeAll(e, f)
	}
}

func (l *ledger) sleep(s *member) {
	if !s.asleep {
		s.asleep = true
		l.asleep = append(l.asleep, s)
	}
}

// wakeAll ends a run of f.
func (l *ledger) wakeAll(e *effects, f *feed) {
	f.run = 0
	for i, s := range l.asleep {
		l.asleep[i], s.asleep = nil, false
		e.wake(s)
	}
	l.asleep = l.asleep[:0]
}

// holdBytes counts n bytes more, or less, of messages that wait in the ledger or
// in a session's queue.
func (l *ledger) holdBytes(n int) { l.budget.Take(memory.Deliveries, n) }

// spread gives p to a session with room, or lets it wait.
func (l *ledger) spread(e *effects, p parcel) {
	if len(l.waiting) == 0 {
		if s := l.nextSession(); s != nil {
			l.assign(e, s, p)
			return
		}
	}
	l.waiting = append(l.waiting, p)
}

// maxTurn is how many messages a session may get before the next one gets any.
// A broker gives each of its consumers up to 20 entries at a time.
const maxTurn = 16

// nextSession is the session with room that gets the next message, nil if
// there is none. Sessions take turns. A session that has not run since its turn
// began keeps it: what it gets leaves in one write. Where messages come one by
// one, each is another's turn.
func (l *ledger) nextSession() *member {
	s := l.turn
	if s != nil && l.taken < maxTurn && len(s.queue) > 0 && l.roomOf(s) > 0 {
		l.taken++
		return s
	}
	l.turn, l.taken = l.ready.pop(l), 1
	return l.turn
}

// assign makes s, which has room, the owner of a message.
func (l *ledger) assign(e *effects, s *member, p parcel) {
	l.own(s, p.d)
	s.queue = append(s.queue, pushed{parcel: p})
	l.recount(s)
	e.wake(s)
}

// settle uses what room there is: for what waits, then for permits.
func (l *ledger) settle(e *effects) {
	for len(l.waiting) > 0 {
		s := l.nextSession()
		if s == nil {
			break
		}
		next := l.waiting[0]
		l.waiting[0] = parcel{}
		if l.waiting = l.waiting[1:]; len(l.waiting) == 0 {
			l.waiting = nil
		}
		l.assign(e, s, next)
	}
	l.topUp(e)
}

// returnSurplus takes out what waits although no window here will have room for it:
// it was fetched for a session that left, and is for others of the
// subscription, elsewhere. Each feed but one may have fetched one too many, see
// topUp. While another session is about to attach, or to leave, nothing is taken
// out: it may have room, and what is asked for again counts as delivered once
// more, though no client has seen it.
func (l *ledger) returnSurplus(e *effects) {
	if l.expected > l.sessions.len() {
		return
	}
	for len(l.waiting) > l.unused+len(l.feeds)-1 {
		last := len(l.waiting) - 1
		p := l.waiting[last]
		l.waiting[last] = parcel{}
		l.waiting = l.waiting[:last]
		l.holdBytes(-p.m.Memory())
		l.forget(p.d)
		e.again = append(e.again, returned{p.d.feed, p.d.id})
	}
}

// find returns the message that an id from a session's client means, nil if nobody has
// it. On a non-persistent topic it is the oldest that the session has.
func (l *ledger) find(s *member, id *codec.MessageID) *delivery {
	if l.volatile(id) {
		return s.oldest
	}
	key := heldKeyOf(id)
	if d := s.oldest; d != nil && d.key == key {
		return d // as most clients acknowledge in order
	}
	return l.held[key]
}

// acknowledge ends deliveries for good, whoever owns them. ids may be used until e is performed.
func (l *ledger) acknowledge(e *effects, from *member, ids []codec.MessageID) {
	for i := range ids {
		d := l.find(from, &ids[i])
		e.acks.add(ids, i, l.ackers(d, &ids[i]))
		switch {
		case d == nil:
			from.strays = true
		case d.owner != nil:
			l.free(d)
		default:
			l.dropWaiting(d)
		}
	}
	l.settle(e)
}

// dropWaiting ends the delivery of a message that waits for a session: one that had it
// before has acknowledged it.
func (l *ledger) dropWaiting(d *delivery) {
	for i, p := range l.waiting {
		if p.d == d {
			l.holdBytes(-p.m.Memory())
			l.waiting = append(l.waiting[:i:i], l.waiting[i+1:]...)
			break
		}
	}
	l.forget(d)
}

// forget ends a delivery that nobody owns.
func (l *ledger) forget(d *delivery) {
	delete(l.held, d.key)
	d.feed.out--
	l.unacked.Add(-1)
}

// join counts one more session that is about to attach.
func (l *ledger) join() { l.expected++ }

// leave counts one session less, and reports that it was the last one: then
// the upstream consumers are to be closed, which gives the broker back what is held.
func (l *ledger) leave(e *effects) (last bool) {
	if l.expected--; l.expected > 0 {
		l.returnSurplus(e)
		return false
	}
	l.unacked.Add(-int64(len(l.held)))
	clear(l.held)
	for _, p := range l.waiting {
		l.holdBytes(-p.m.Memory())
	}
	l.waiting = nil
	return true
}
