package pulsar

import "github.com/pulsegate/pulsegate/pulsar/wire"

// entry is a message or a batch that is not answered yet, as it is stored.
type entry struct {
	first, last uint64 // sequence ids
	published   int64  // ms since 1970
	due         int64  // when it is given up, unix nanoseconds; 0: never
	payload     []byte // as it is stored
	full        int    // bytes of payload before compression
	compression wire.CompressionType
	seal        *Encryption // nil: not encrypted
	reserved    int         // of the client's memory limit
	msg         *Message    // of a batch, its first
	done        Done        // of msg alone
	batch       []Done      // of a batch, else nil
	err         error       // the broker refused it, which is said when all in front of it are answered
	gone        bool        // answered, but others in front of it are not
}

// count is how many messages the entry has.
func (e *entry) count() int {
	if e.batch != nil {
		return len(e.batch)
	}
	return 1
}

// verdict is what follows from an answer of the broker.
type verdict uint8

const (
	// answered: the entry that is returned got its answer.
	answered verdict = iota
	// stale: the answer is for an entry that is answered already.
	stale
	// astray: the broker answers what was not sent, or what comes later than what it
	// must answer first: it and we do not agree any more.
	astray
)

// pending holds what a producer has not been answered, in the order of sequence ids, and knows
// what of it has to be sent next. It decides and does nothing: no lock, no time, no
// connection.
//
// Entries are answered in their order, also those that the broker refused: it says so at once, while it
// still stores others that came before. Only what is dropped is answered out of turn; it is gone,
// and forgotten when nothing is in front of it.
type pending struct {
	ring     []entry // a ring of a power of two
	head     int
	size     int
	sent     int // how many from head on were sent on the present connection
	messages int // in entries that are not gone
}

func (q *pending) at(i int) *entry { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

// push adds an entry behind all others.
func (q *pending) push(e entry) {
	if q.size == len(q.ring) {
		ring := make([]entry, max(4, 2*len(q.ring)))
		for i := range q.size {
			ring[i] = *q.at(i)
		}
		q.ring, q.head = ring, 0
	}
	q.size++
	*q.at(q.size - 1) = e
	q.messages += e.count()
}

// next is the entry to send now; nil: all are sent. It is valid until the next call of
// another method.
func (q *pending) next() *entry {
	for q.sent < q.size {
		if e := q.at(q.sent); !e.gone && e.err == nil {
			return e
		}
		q.sent++
	}
	return nil
}

// wasSent says that the entry next returned was sent.
func (q *pending) wasSent() { q.sent++ }

// restart makes everything to be sent again, from the oldest on.
func (q *pending) restart() { q.sent = 0 }

// receipt takes the broker's answer that the entry whose first sequence id is seq is stored. They
// come in order. [pending.refused] has to follow, as after all that answers the oldest.
func (q *pending) receipt(seq uint64) (entry, verdict) {
	switch {
	case q.size == 0 || seq < q.at(0).first:
		return entry{}, stale
	case q.sent == 0 || seq > q.at(0).first:
		return entry{}, astray
	}
	return q.answer(0), answered
}

// refuse takes the broker's answer that the entry with sequence id seq is not stored, and why. Of a batch, a broker
// names the last one. [pending.refused] has to follow.
func (q *pending) refuse(seq uint64, why error) {
	for i := range q.sent {
		if e := q.at(i); e.first <= seq && seq <= e.last && !e.gone && e.err == nil {
			e.err = why
			return
		}
	}
}

// refuseRest refuses all that was not sent.
func (q *pending) refuseRest(why error) {
	for i := q.sent; i < q.size; i++ {
		if e := q.at(i); !e.gone && e.err == nil {
			e.err = why
		}
	}
}

// refused takes out the oldest entry if the broker has refused it.
func (q *pending) refused() (entry, bool) {
	if q.size == 0 || q.at(0).err == nil {
		return entry{}, false
	}
	return q.answer(0), true
}

// drop gives up the entry that next returned.
func (q *pending) drop() entry { return q.answer(q.sent) }

// expired gives up the oldest entry if it is due. The others are never due before it.
func (q *pending) expired(now int64) (entry, bool) {
	if due := q.due(); due == 0 || due > now {
		return entry{}, false
	}
	return q.answer(0), true
}

// due is when the oldest entry is given up; 0: never.
func (q *pending) due() int64 {
	if q.size == 0 {
		return 0
	}
	return q.at(0).due // what is gone is never at the front
}

// all takes out everything.
func (q *pending) all() (list []entry) {
	for i := range q.size {
		if e := q.at(i); !e.gone {
			list = append(list, *e)
		}
	}
	*q = pending{}
	return list
}

// answer takes entry i for answered and forgets what it can.
func (q *pending) answer(i int) entry {
	e := *q.at(i)
	*q.at(i) = entry{first: e.first, last: e.last, gone: true}
	q.messages -= e.count()
	for q.size > 0 && q.at(0).gone {
		*q.at(0) = entry{}
		q.head = (q.head + 1) & (len(q.ring) - 1)
		q.size--
		q.sent = max(q.sent-1, 0)
	}
	if q.size == 0 && len(q.ring) > 64 {
		*q = pending{} // an idle producer holds no memory
	}
	return e
}
