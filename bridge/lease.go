package bridge

import "time"

// lease counts the sessions on a pool's entry and keeps the entry a little
// longer than its last one. The bridge's mutex guards it.
type lease struct {
	sessions int         // -1: it is over
	linger   *time.Timer // runs while sessions is 0
}

// take counts one session more.
func (l *lease) take() {
	l.sessions++
	l.stop()
}

// give counts one session less. It reports that the entry is to be closed now,
// unless expire is called when it has lingered.
func (l *lease) give(linger time.Duration, expire func()) (now bool) {
	if l.sessions--; l.sessions > 0 {
		return false
	}
	if linger > 0 {
		l.linger = time.AfterFunc(linger, expire)
		return false
	}
	return true
}

// count is how many sessions there are.
func (l *lease) count() int { return max(l.sessions, 0) }

// end reports, once, that no session is left or came back.
func (l *lease) end() bool {
	if l.sessions != 0 {
		return false
	}
	l.sessions = -1
	l.stop()
	return true
}

func (l *lease) stop() {
	if l.linger != nil {
		l.linger.Stop()
		l.linger = nil
	}
}

// lingerOf is how long an entry lingers: not at all if nobody would find it.
// mu is held.
func (b *Bridge) lingerOf(pooled bool) time.Duration {
	if !pooled || b.closed {
		return 0
	}
	return b.opts.Linger
}
