package sharingtest

import (
	"sync"

	"github.com/pulsegate/pulsegate/bridge"
)

// book is what a subscription's clients know together, and says whether a
// message may come now. Its methods may be called from any goroutine.
type book struct {
	kind bridge.SubscriptionType
	keys int

	mu      sync.Mutex
	now     int // counts what is written down
	of      []entry
	acked   int
	batches map[batch]int // acknowledged messages of each
}

// entry is what is known of one message.
type entry struct {
	seen   bool
	acked  int // when, 0: it is not
	holder *member
}

type batch struct{ ledger, entry int64 }

// member is one session of the subscription.
type member struct {
	asked int // when it asked for its session
	last  int // the last number it got, -1: none
}

func newBook(kind bridge.SubscriptionType, keys, total int) *book {
	return &book{kind: kind, keys: keys, of: make([]entry, total), batches: map[batch]int{}}
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
			k.of[i].holder = nil
		}
	}
}

func (k *book) over() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.acked == len(k.of)
}

// receive writes down that m came to s. again says that it was acknowledged
// before, so that it may only be acknowledged again. wrong says what must not be:
//
//   - A message that was acknowledged comes again. Of a batch, that is the
//     broker's right until all of the batch is acknowledged and its consumer is gone. On
//     Failover, one may come again to a session that waited while it was acknowledged.
//   - Exclusive and Failover: a session's numbers grow, and what is left out,
//     also before its first, has been acknowledged.
//   - Key_Shared: a message comes while an earlier one of its key has never been
//     delivered, or is in the hands of another session that lives.
//   - Shared and Key_Shared: a message that a client had before does not say so.
func (k *book) receive(s *member, m pushed, strict bool) (again bool, wrong string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if m.number < 0 || m.number >= len(k.of) {
		return false, "was never published"
	}
	k.now++
	e := &k.of[m.number]
	if again = e.acked > 0; again {
		partly := m.id.BatchSize > 0 && k.batches[batch{m.id.LedgerID, m.id.EntryID}] < int(m.id.BatchSize)
		if !(partly && !strict) && !(k.kind == bridge.Failover && s.asked < e.acked) {
			return again, "came again after it was acknowledged"
		}
	}
	switch {
	case k.ordered():
		if m.number <= s.last {
			return again, "came behind a later one"
		}
		for i := s.last + 1; i < m.number; i++ {
			if k.of[i].acked == 0 {
				return again, "came before an earlier one that is not acknowledged"
			}
		}
		s.last = m.number
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
	if e.seen && m.RedeliveryCount == 0 && !k.ordered() && m.id.BatchSize == 0 {
		return again, "came again and does not say so"
	}
	e.seen = true
	if !again {
		e.holder = s
	}
	return again, ""
}

// acknowledge is called before the acknowledgement is sent.
func (k *book) acknowledge(m pushed) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now++
	e := &k.of[m.number]
	if e.acked == 0 {
		k.acked++
		k.batches[batch{m.id.LedgerID, m.id.EntryID}]++
	}
	e.acked, e.holder = k.now, nil
}

// refuse is called before the negative acknowledgement is sent.
func (k *book) refuse(m pushed) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.of[m.number].holder = nil
}
