package bridge

import "github.com/pulsegate/pulsegate/codec"

// fetchFrames and fetchBytes bound what a cursor takes from the ring at a time.
const (
	fetchFrames = 16
	fetchBytes  = 64 << 10
)

// cursor is where a [place] is in a tail. The session's mutex guards it.
type cursor struct {
	in *tail // nil: in none
	// skip: frames up to the place's last message are none of its own. It has
	// read them, or they were published before it opened. They may reach the tail only now.
	skip bool
	next uint64 // sequence number of the next frame
}

// seek places c behind the session's last message, at, or if that is not known
// at the topic's beginning, and reports whether the ring holds, or will hold,
// everything after it.
func (t *tail) seek(c *cursor, at *codec.MessageID, known bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.ring)
	if n > 0 && known && !isAfter(&t.ring[0].id, at) {
		i := n
		for i > 0 && isAfter(&t.ring[i-1].id, at) {
			i--
		}
		if t.first > 0 && n-i > n/2+1 {
			return false // it would fall out again before it had read much
		}
		*c = cursor{in: t, skip: true, next: t.first + uint64(i)}
		return true
	}
	// Everything after origin is in the ring if nothing has fallen out of it.
	if t.first > 0 {
		return false
	}
	if t.origin.EntryID >= 0 && (!known || !covers(at, &t.origin)) {
		return false
	}
	i := 0
	for known && i < n && !isAfter(&t.ring[i].id, at) {
		i++
	}
	*c = cursor{in: t, skip: known, next: uint64(i)}
	return true
}

// covers reports that whoever has read up to at has read up to end, also if
// end names only the entry of a batch of which at may not be the last message.
func covers(at, end *codec.MessageID) bool {
	inBatch := at.LedgerID == end.LedgerID && at.EntryID == end.EntryID && at.BatchIndex >= 0 && end.BatchIndex < 0
	return !inBatch && !isAfter(end, at)
}

// reaches reports that the tail knows of a message at or after at.
func (t *tail) reaches(at *codec.MessageID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.ring); n > 0 && !isAfter(at, &t.ring[n-1].id) {
		return true
	}
	return t.origin.EntryID >= 0 && !isAfter(at, &t.origin)
}

// edge is the sequence number of the next frame to come.
func (t *tail) edge() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.first + uint64(len(t.ring))
}

// join places c at the end of the topic, where end is its last message and the
// session's, if it is known. If it is not, c begins at edge, which was the tail's
// before the topic was asked: that was empty then, or the broker had deleted
// everything, also what the ring may still hold; or its ids say nothing.
func (t *tail) join(c *cursor, end *codec.MessageID, known bool, edge uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*c = cursor{in: t, skip: known, next: edge}
	if !known {
		return
	}
	i := len(t.ring)
	for i > 0 && isAfter(&t.ring[i-1].id, end) {
		i--
	}
	c.next = t.first + uint64(i)
}

// fetch takes the frames that follow p's cursor into buf, at most limit, and reports
// false if that has fallen out of the ring. If there is none, p is parked: the next frame
// wakes its session. Called with the session's mutex held; the caller grants the permits that come back.
func (t *tail) fetch(p *place, buf []tailFrame, limit int) (n, grant int, ok bool) {
	c := &p.cur
	t.mu.Lock()
	defer t.mu.Unlock()
	grant = t.served(p)
	if c.next < t.first {
		if t.ordered() {
			return 0, grant, false
		}
		c.next = t.first // a non-persistent topic keeps nothing for those who are slow
	}
	end := t.first + uint64(len(t.ring))
	bytes := 0
	for c.next < end && n < min(limit, len(buf)) && bytes < fetchBytes {
		f := &t.ring[c.next-t.first]
		c.next++
		f.left--
		if c.skip {
			if !isAfter(&f.id, &p.last) {
				continue
			}
			c.skip = false
		}
		buf[n] = *f
		n++
		bytes += f.frame.Len()
	}
	if n == 0 && !p.parked {
		p.parked, p.parkedAt = true, len(t.parked)
		t.parked = append(t.parked, p)
	}
	if t.backlog != nil {
		t.pass()
		grant += t.topUp()
	}
	return n, grant, true
}

// atEnd reports that c has taken every frame.
func (t *tail) atEnd(c *cursor) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return c.next >= t.first+uint64(len(t.ring))
}
