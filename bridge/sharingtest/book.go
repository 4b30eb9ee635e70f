package sharingtest

import (
	"sync"

	"github.com/pulsegate/pulsegate/bridge"
)

// book is what a subscription's clients know together, and says whether a
// message may come now. Its methods may be called from any goroutine.
type book struct {
	kind    bridge.SubscriptionType
	keys    int
	several bool // sessions of a Shared subscription may have upstream consumers of their own

	mu      sync.Mutex
	now     int // counts what is written down
	of      []entry
	acked   int
	batches map[batch]*batchEntry
}

// entry is what is known of one message.
type entry struct {
	seen   bool
	acked  int // when, 0: it is not
	holder *member
	in     batch // where it was delivered
}

type batch struct{ ledger, entry int64 }

// batchEntry is what is known of one batch.
type batchEntry struct {
	acked int  // acknowledged messages
	again bool // one of its messages was refused, or its session died
}

// member is one session of the subscription.
type member struct {
	asked int // when it asked for its session
	last  int // the last number it got, -1: none
}

func newBook(kind bridge.SubscriptionType, keys, total int) *book {
	return &book{kind: kind, keys: keys, of: make([]entry, total), batches: map[batch]*batchEntry{}}
}

func (k *book) ordered() bool { return k.kind == bridge.Exclusive || k.kind == bridge.Failover }

func (k *book) join() *member {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now++
	return &member{asked: k.now, last: -1}
}

// leave takes back what a session holds. It is called before the session is closed.
func (k *book) leave(s *member) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.of {
		if k.of[i].holder == s {
			k.release(&k.of[i])
		}
	}
}

func (k *book) over() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.acked == len(k.of)
}

const repeated = "came again after it was acknowledged"

// receive writes down that m came to s. again says that it was acknowledged
// before, so that it may only be acknowledged again. wrong says what must not be:
//
//   - A message that was acknowledged comes again. Of a batch, that is the
//     broker's right until all is acknowledged: it knows whole batches only. Where
//     a session is its own upstream consumer, the next one gets the batch whole,
//     and what it acknowledges may be the last one missing before it has
//     acknowledged the others, too. On Failover, one may come again to a
//     session that waited while it was acknowledged.
//   - Exclusive and Failover: a session's numbers grow, and what is left out,
//     also before its first, has been acknowledged.
//   - Key_Shared: a message comes while an earlier one of its key has never been
//     delivered, or is in the hands of another session that lives.
//   - Shared: a message that a client had before does not say so.
func (k *book) receive(s *member, m pushed) (again bool, wrong string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if m.number < 0 || m.number >= len(k.of) {
		return false, "was never published"
	}
	k.now++
	e := &k.of[m.number]
	seen := e.seen
	e.seen, e.in = true, batch{m.id.LedgerID, m.id.EntryID}
	if again = e.acked > 0; !again {
		e.holder = s
	}
	if again {
		b := k.batch(e.in)
		partly := m.id.BatchSize > 0 && (b.acked < int(m.id.BatchSize) || (k.ordered() || k.several) && b.again)
		if !partly && !(k.kind == bridge.Failover && s.asked < e.acked) {
			return again, repeated
		}
	}
	switch {
	case k.ordered():
		if m.number <= s.last {
			return again, "came behind a later one"
		}
		first := s.last + 1
		s.last = m.number
		for i := first; i < m.number; i++ {
			if k.of[i].acked == 0 {
				return again, "came before an earlier one that is not acknowledged"
			}
		}
	case k.kind == bridge.KeyShared:
		for i := m.number - k.keys; i >= 0; i -= k.keys {
			if !k.of[i].seen {
				return again, "came before an earlier one of its key"
			}
			if h := k.of[i].holder; h != nil && h != s {
				return again, "came while another session holds an earlier one of its key"
			}
		}
	}
	if seen && k.kind == bridge.Shared && m.RedeliveryCount == 0 && m.id.BatchSize == 0 {
		return again, "came again and does not say so"
	}
	return again, wrong
}

// acknowledge is called before the acknowledgement is sent.
func (k *book) acknowledge(m pushed) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now++
	e := &k.of[m.number]
	if e.acked == 0 {
		k.acked++
		k.batch(batch{m.id.LedgerID, m.id.EntryID}).acked++
	}
	e.acked, e.holder = k.now, nil
}

// refuse is called before the negative acknowledgement is sent.
func (k *book) refuse(m pushed) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.release(&k.of[m.number])
}

// release notes that a message is to come again, with all of its batch. Called with mu held.
func (k *book) release(e *entry) {
	e.holder = nil
	k.batch(e.in).again = true
}

// batch is never nil. Called with mu held.
func (k *book) batch(at batch) *batchEntry {
	if k.batches[at] == nil {
		k.batches[at] = &batchEntry{}
	}
	return k.batches[at]
}
