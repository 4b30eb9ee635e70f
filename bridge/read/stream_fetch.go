package read

// fetchFrames and fetchBytes bound what a cursor takes from the ring at a time.
const (
	fetchFrames = 16
	fetchBytes  = 64 << 10
)

// spot is where a [cursor] is in a stream. The session's mutex guards it.
type spot struct {
	in *stream // nil: in none
	// skip: frames up to the cursor's last message are none of its own. It has
	// read them, or they were published before it opened. They may reach the stream only now.
	skip bool
	next uint64 // sequence number of the next frame
}

// enter lets p's session hear of the end of the stream, unless that has come.
func (t *stream) enter(p *cursor) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost == nil {
		t.members[p] = struct{}{}
	}
	return t.lost
}

// exit forgets p.
func (t *stream) exit(p *cursor) {
	t.mu.Lock()
	delete(t.members, p)
	grant := t.served(p)
	if p.parked {
		p.parked = false
		n := len(t.parked) - 1
		last := t.parked[n]
		t.parked[p.parkedAt], last.parkedAt = last, p.parkedAt
		t.parked[n] = nil
		t.parked = t.parked[:n]
	}
	t.mu.Unlock()
	t.permit(grant)
}

// served notes that p's session runs. mu is held; the caller grants what it returns.
func (t *stream) served(p *cursor) (grant int) {
	if !p.woken {
		return 0
	}
	p.woken = false
	t.unserved--
	if t.unserved > 0 {
		return 0
	}
	return t.topUp()
}

// ran is served for a session that takes nothing. The session's mutex may be held.
func (t *stream) ran(p *cursor) {
	t.mu.Lock()
	grant := t.served(p)
	t.mu.Unlock()
	t.permit(grant)
}

// fetch takes the frames that follow p's spot into buf, at most limit, and reports
// false if that has fallen out of the ring. If there is none, p is parked: the next frame
// wakes its session. The session's mutex is held; the caller grants the permits that come back.
func (t *stream) fetch(p *cursor, buf []frame, limit int) (n, grant int, ok bool) {
	c := &p.spot
	t.mu.Lock()
	defer t.mu.Unlock()
	grant = t.served(p)
	if c.next < t.ring.first {
		if t.key.persistent() {
			return 0, grant, false
		}
		c.next = t.ring.first // a non-persistent topic keeps nothing for those who are slow
	}
	from, end, bytes := c.next, t.ring.end(), 0
	for c.next < end && n < min(limit, len(buf)) && bytes < fetchBytes {
		f := t.ring.at(c.next)
		c.next++
		if c.skip {
			if !f.id.Position().After(p.last.Position()) {
				continue
			}
			c.skip = false
		}
		buf[n] = *f
		n++
		t.arrival.Over()
		bytes += f.ws.Len()
	}
	if n == 0 && !p.parked {
		p.parked, p.parkedAt = true, int32(len(t.parked))
		t.parked = append(t.parked, p)
	}
	return n, grant + t.kind.taken(from, c.next), true
}

// passed reports that c has taken every frame.
func (t *stream) passed(c *spot) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return c.next >= t.ring.end()
}
