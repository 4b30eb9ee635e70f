package pulsar

import (
	"sync"

	"github.com/apache/pulsar-client-go/pulsar"
)

// acker sends a consumer's acknowledgements to the broker and learns whether
// they arrived. While one request is under way, what comes is collected for the
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
	list := a.pending[m]
	if list == nil {
		list = &ackList{}
		a.pending[m] = list
	}
	list.ids = append(list.ids, id)
	list.entries = append(list.entries, e)
	list.again = list.again || again
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
			if err := m.acknowledge(list.ids); err != nil {
				a.c.u.log.Debug("acknowledge", "topic", m.topic, "subscription", a.c.spec.Subscription, "error", err)
				a.c.todo.push(command{kind: cmdAckFailed, member: m, entries: list.entries})
			} else if list.again {
				a.c.todo.push(command{kind: cmdAckSent, entries: list.entries})
			}
		}
		a.mu.Lock()
	}
	a.running = false
	a.idle.Broadcast()
}

// drain returns when all that was added has been sent or has failed.
func (a *acker) drain() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.running {
		a.idle.Wait()
	}
}
