package pulsar

import (
	"sync"

	"github.com/apache/pulsar-client-go/pulsar"
)

// acker sends a consumer's acknowledgements to the broker and learns whether
// they arrived, and its requests for redelivery. While one request is under way,
// what comes is collected for the next: an idle consumer costs neither a
// goroutine nor a timer, a busy one sends few requests.
//
// A request whose link is lost is abandoned: it counts as failed at once, and
// what is left of the goroutine that waits for it does nothing more.
type acker struct {
	c *consumer

	mu      sync.Mutex
	sending *ackList   // under way, and not abandoned; nil: nothing is
	idle    *sync.Cond // sending has become nil
	pending map[*member]*ackList
}

// ackList is one request: ids as the library wants them, and the same as ours.
type ackList struct {
	member  *member
	ids     []pulsar.MessageID
	entries []entryID
	again   bool // some of them could not be sent before

	redeliver []entryID // to be asked for again, through link, which gave them
	link      *link

	through *link // what the acknowledgements go through, known when they do
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
	a.c.unsettled.add(1)
	a.start()
}

// redeliver asks for an entry again. It does not block.
func (a *acker) redeliver(m *member, l *link, e entryID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list(m)
	if list.link != l {
		a.c.unsettled.add(-len(list.redeliver))
		list.link, list.redeliver = l, nil
	}
	list.redeliver = append(list.redeliver, e)
	a.c.unsettled.add(1)
	a.start()
}

// list is what is to be sent for m next. Called with mu held.
func (a *acker) list(m *member) *ackList {
	list := a.pending[m]
	if list == nil {
		list = &ackList{member: m}
		a.pending[m] = list
	}
	return list
}

// start makes sure that something sends if there is anything to send. Called with mu held.
func (a *acker) start() {
	if a.sending == nil && a.next() {
		first := a.sending
		a.c.u.always(func() { a.run(first) })
	}
}

// next takes the next request, if there is one. Called with mu held.
func (a *acker) next() bool {
	a.sending = nil
	for m, list := range a.pending {
		delete(a.pending, m)
		list.through = m.current.Load()
		a.sending = list
		return true
	}
	a.idle.Broadcast()
	return false
}

// run sends list, and then what has come meanwhile until nothing is left.
func (a *acker) run(list *ackList) {
	for {
		err := errNoConnection
		if list.through != nil && len(list.ids) > 0 {
			err = list.through.acknowledge(list.ids)
		}
		// Afterwards, since on an ordered subscription the broker sends
		// all that is not acknowledged by then.
		if len(list.redeliver) > 0 {
			list.link.redeliver(list.redeliver)
			a.c.unsettled.add(-len(list.redeliver))
		}
		a.mu.Lock()
		if a.sending != list {
			a.mu.Unlock()
			return // it was abandoned
		}
		a.report(list, err)
		more := a.next()
		list = a.sending
		a.mu.Unlock()
		if !more {
			return
		}
	}
}

// report tells the forwarder what became of a request.
func (a *acker) report(list *ackList, err error) {
	a.c.unsettled.add(-len(list.ids))
	switch {
	case len(list.ids) == 0:
	case err != nil:
		a.c.u.log.Debug("acknowledge", "topic", list.member.topic, "subscription", a.c.spec.Subscription, "error", err)
		a.c.todo.push(command{kind: cmdAckFailed, member: list.member, link: list.through, entries: list.entries})
	case list.again:
		a.c.todo.push(command{kind: cmdAckSent, entries: list.entries})
	}
}

// abandon ends the request under way if it goes through l, which is lost. What
// is sent through it afterwards fails at once. It does not block.
func (a *acker) abandon(l *link) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if list := a.sending; list != nil && (list.through == l || list.link == l) {
		a.report(list, errNoConnection)
		a.sending = nil
		a.start()
	}
}

// drain returns when all that was added has been sent or has failed.
func (a *acker) drain() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.sending != nil {
		a.idle.Wait()
	}
}
