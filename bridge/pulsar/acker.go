package pulsar

import (
	"sync"

	"github.com/apache/pulsar-client-go/pulsar"
)

// acker sends a consumer's acknowledgements to the broker and learns whether
// they arrived, and its requests for redelivery. While one request is under way, what comes is collected for the
// next: an idle consumer costs neither a goroutine nor a timer, a busy one
// sends few requests.
type acker struct {
	c *consumer

	mu      sync.Mutex
	running bool
	idle    *sync.Cond // running has become false
	pending map[*member]*ackList
}

// ackList is one request: ids as the library wants them, and the same as ours.
type ackList struct {
	ids     []pulsar.MessageID
	entries []entryID
	again   bool // some of them could not be sent before

	redeliver []entryID // to be asked for again, through link
	link      *link
}

func newAcker(c *consumer) *acker {
	a := &acker{c: c, pending: map[*member]*ackList{}}
	a.idle = sync.NewCond(&a.mu)
	return a
}

// add acknowledges an entry. It does not block.
func (a *acker) add(m *member, id pulsar.MessageID, e entryID, again bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list(m)
	list.ids = append(list.ids, id)
	list.entries = append(list.entries, e)
	list.again = list.again || again
	a.start()
}

// redeliver asks for an entry again. It does not block.
func (a *acker) redeliver(m *member, l *link, e entryID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list(m)
	if list.link != l {
		list.link, list.redeliver = l, nil
	}
	list.redeliver = append(list.redeliver, e)
	a.start()
}

// list is what is to be sent for m next. Called with mu held.
func (a *acker) list(m *member) *ackList {
	list := a.pending[m]
	if list == nil {
		list = &ackList{}
		a.pending[m] = list
	}
	return list
}

// start makes sure that something sends. Called with mu held.
func (a *acker) start() {
	if !a.running {
		a.running = true
		a.c.u.always(a.run)
	}
}

// run sends until nothing is left.
func (a *acker) run() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.pending) > 0 {
		pending := a.pending
		a.pending = map[*member]*ackList{}
		a.mu.Unlock()
		for m, list := range pending {
			if len(list.ids) > 0 {
				a.acknowledge(m, list)
			}
			// Afterwards, since on an ordered subscription the broker sends
			// all that is not acknowledged by then.
			if len(list.redeliver) > 0 {
				m.redeliver(list.link, list.redeliver)
			}
		}
		a.mu.Lock()
	}
	a.running = false
	a.idle.Broadcast()
}

func (a *acker) acknowledge(m *member, list *ackList) {
	err := m.acknowledge(list.ids)
	switch {
	case err != nil:
		a.c.u.log.Debug("acknowledge", "topic", m.topic, "subscription", a.c.spec.Subscription, "error", err)
		a.c.todo.push(command{kind: cmdAckFailed, member: m, entries: list.entries})
	case list.again:
		a.c.todo.push(command{kind: cmdAckSent, entries: list.entries})
	}
}

// drain returns when all that was added has been sent or has failed.
func (a *acker) drain() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.running {
		a.idle.Wait()
	}
}
