package pulsar

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/apache/pulsar-client-go/pulsar"
)

// link is one consumer of the client library, for as long as that has its
// connection.
type link struct {
	member *member
	up     pulsar.Consumer
	id     uint64       // see consumerID
	direct *redeliverer // nil: redeliveries go through NackID
	ahead  fetchAhead
	lost   atomic.Bool

	asking sync.Mutex // held while a request runs on up: that must not be closed meanwhile
}

var errNoConnection = errors.New("no connection to the broker")

// lose notes that the connection is lost and tells the forwarder. It does not
// block and may be called any number of times.
func (l *link) lose() {
	if l.lost.Swap(true) {
		return
	}
	c := l.member.c
	c.acks.abandon(l)
	c.todo.push(command{kind: cmdLost, member: l.member, link: l})
}

// acknowledge tells the broker, and returns when that has answered. It may
// take the operation timeout if the link is lost meanwhile.
func (l *link) acknowledge(ids []pulsar.MessageID) error {
	return l.ask(func() error { return l.up.AckIDList(ids) })
}

// redeliver asks the broker for entries again, unless the link is lost: with
// its connection they went back to the broker.
func (l *link) redeliver(entries []entryID) {
	_ = l.ask(func() error {
		l.direct.redeliver(entries)
		return nil
	})
}

// unsubscribe deletes the subscription.
func (l *link) unsubscribe() error { return l.ask(l.up.Unsubscribe) }

// ask makes a request, unless the link is lost: then it does not wait for one
// that is under way still.
func (l *link) ask(request func() error) error {
	if l.lost.Load() {
		return errNoConnection
	}
	l.asking.Lock()
	defer l.asking.Unlock()
	if l.lost.Load() {
		return errNoConnection
	}
	return request()
}

// close waits for a request under way.
func (l *link) close() {
	l.asking.Lock()
	defer l.asking.Unlock()
	u := l.member.c.u
	u.links.remove(l)
	l.up.Close()
	u.heard.forget(l.id)
}

// links knows the links of an upstream by their consumer's number, to tell them
// that the broker has closed it.
//
// pulsar-client-go v0.19.0 acts on that in the goroutine that waits for answers
// to acknowledgements. A broker that unloads a topic gives none to those that
// arrive after it has closed the consumer, and for the library's operation
// timeout, half a minute, the consumer would stand still.
type links struct {
	mu sync.Mutex
	by map[uint64]*link
}

func (s *links) add(l *link) {
	if l.id == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[uint64]*link{}
	}
	s.by[l.id] = l
}

func (s *links) remove(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by[l.id] == l {
		delete(s.by, l.id)
	}
}

// consumerClosed implements [watcher].
func (u *Upstream) consumerClosed(consumer uint64) {
	s := &u.links
	s.mu.Lock()
	l := s.by[consumer]
	s.mu.Unlock()
	if l != nil {
		l.lose()
	}
}
