package subscribe

import (
	"time"

	"github.com/pulsegate/pulsegate/codec"
)

// effects are what a step of a [ledger] has decided: what its caller does when it
// has released the lock. The usual step, with one feed and one session, allocates nothing.
type effects struct {
	first  *member // to be woken
	more   []*member
	resume []*member // to be resumed
	acks   acks
	again  []returned // to be asked for again
	grants grants
	short  bool          // the feeds may not be granted what there is room for: another one would be of use
	alarm  time.Duration // when the session is to call ring, see clock; 0: as before
}

func (e *effects) wake(s *member) {
	switch {
	case e.first == nil:
		e.first = s
	case e.first != s && (len(e.more) == 0 || e.more[len(e.more)-1] != s):
		e.more = append(e.more, s)
	}
}

// perform carries them out, except growing and the alarm. No lock may be held: an upstream may
// deliver from within Permit.
func (e *effects) perform() {
	if e.first != nil {
		e.first.out.Wake()
	}
	for _, s := range e.more {
		s.out.Wake()
	}
	for _, s := range e.resume {
		s.out.Resume()
	}
	e.acks.give()
	redeliver(e.again)
	e.grants.give()
}

// acks are messages to be acknowledged at feeds.
type acks struct {
	ids   []codec.MessageID // a part of those that the ledger was given
	feeds []*feed
	more  []acks // to follow
}

// add notes the message ids[i], to be acknowledged at feeds. All those in front of it have been added.
func (a *acks) add(ids []codec.MessageID, i int, feeds []*feed) {
	last := a
	if n := len(a.more); n > 0 {
		last = &a.more[n-1]
	}
	switch {
	case i == 0:
		a.ids, a.feeds = ids[:1], feeds
	case len(last.feeds) == len(feeds) && (len(feeds) == 0 || &last.feeds[0] == &feeds[0]):
		last.ids = last.ids[:len(last.ids)+1]
	default:
		a.more = append(a.more, acks{ids: ids[i : i+1], feeds: feeds})
	}
}

func (a *acks) give() {
	for _, f := range a.feeds {
		f.up.Ack(a.ids...)
	}
	for i := range a.more {
		a.more[i].give()
	}
}

// grants are the permits that feeds are to be granted.
type grants struct {
	feed *feed
	n    int
	more []grants
}

// add counts n permits for f.
func (g *grants) add(f *feed, n int) {
	if g.n == 0 || g.feed == f {
		g.feed, g.n = f, g.n+n
		return
	}
	for i := range g.more {
		if g.more[i].feed == f {
			g.more[i].n += n
			return
		}
	}
	g.more = append(g.more, grants{feed: f, n: n})
}

func (g *grants) give() {
	if g.n > 0 {
		g.feed.up.Permit(g.n)
	}
	for i := range g.more {
		g.more[i].feed.up.Permit(g.more[i].n)
	}
}

// returned is a message to be asked for again.
type returned struct {
	feed *feed // that delivered it
	id   codec.MessageID
}

func redeliver(list []returned) {
	for len(list) > 0 {
		f := list[0].feed
		var ids []codec.MessageID
		var others []returned
		for i := range list {
			if list[i].feed == f {
				ids = append(ids, list[i].id)
			} else {
				others = append(others, list[i])
			}
		}
		f.up.Redeliver(ids)
		list = others
	}
}
