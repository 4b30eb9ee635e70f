package subscribe

import "github.com/pulsegate/pulsegate/codec"

// capacity is how many more permits f may hold.
func (l *ledger) capacity(f *feed) int {
	if l.solo {
		return maxPermits
	}
	return l.perFeed - f.out - f.granted
}

// topUp grants permits so that the feeds hold one for all the
// room that no waiting message will take. While there is such room each feed
// holds one at least, even if that is too many by a few: what an upstream has
// prefetched for a feed comes through no other.
func (l *ledger) topUp(e *effects) {
	room := l.room - len(l.waiting)
	if room <= 0 {
		return
	}
	want := room - l.granted
	for _, f := range l.feeds {
		if f.granted == 0 && l.capacity(f) > 0 {
			l.grant(e, f, 1)
			want--
		}
	}
	for want > 0 {
		f := l.leastGranted()
		if f == nil {
			break
		}
		n := min(want, l.capacity(f), want/len(l.feeds)+1)
		l.grant(e, f, n)
		want -= n
	}
	e.short = want > 0 && l.busy()
}

// grant counts n permits for f.
func (l *ledger) grant(e *effects, f *feed, n int) {
	f.granted += n
	l.granted += n
	e.grants.add(f, n)
}

// leastGranted is the feed with the fewest permits that may hold more, nil if
// none may.
func (l *ledger) leastGranted() (least *feed) {
	for _, f := range l.feeds {
		if l.capacity(f) > 0 && (least == nil || f.granted < least.granted) {
			least = f
		}
	}
	return least
}

// busy reports that all feeds have half of what they may have out: another is
// to be there in time.
func (l *ledger) busy() bool {
	for _, f := range l.feeds {
		if f.out < l.perFeed/2 {
			return false
		}
	}
	return true
}

// addFeed lets messages come from one more feed.
func (l *ledger) addFeed(e *effects, f *feed) {
	l.feeds = append(l.feeds, f)
	l.settle(e)
}

// onlyFeed takes out all feeds but the first, which are to be closed. What they have
// delivered, or still do, is held all the same.
func (l *ledger) onlyFeed() (first *feed, others []*feed) {
	first, others = l.feeds[0], l.feeds[1:]
	l.feeds = l.feeds[:1:1]
	for _, f := range others {
		l.granted -= f.granted
		f.granted, f.gone = 0, true
	}
	return first, others
}

// ackers are the feeds to be told that a message is acknowledged: the one that
// delivered it. A batch counts as a whole, and each feed that delivered a copy of it
// must know of all its messages; so all are told of those, and of what nobody
// holds. The result may be used without the lock.
func (l *ledger) ackers(d *delivery, id *codec.MessageID) []*feed {
	if d == nil || id.BatchSize > 1 || len(l.feeds) == 1 {
		return l.feeds
	}
	for i, f := range l.feeds {
		if f == d.feed {
			return l.feeds[i : i+1]
		}
	}
	return l.feeds // it closed; what it delivered went back to the broker
}
