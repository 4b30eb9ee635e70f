package pool

import "time"

// Lease counts the sessions on a pool's entry and keeps the entry a little
// longer than its last one. The pool's mutex guards it.
type Lease struct {
	sessions int         // -1: it is over
	linger   *time.Timer // runs while sessions is 0
}

// Take counts one session more.
func (l *Lease) Take() {
	l.sessions++
	l.stop()
}

// Give counts one session less. It reports that the entry is to be closed now,
// unless expire is called when it has lingered.
func (l *Lease) Give(linger time.Duration, expire func()) (now bool) {
	if l.sessions--; l.sessions > 0 {
		return false
	}
	if linger > 0 {
		l.linger = time.AfterFunc(linger, expire)
		return false
	}
	return true
}

// Count is how many sessions there are.
func (l *Lease) Count() int { return max(l.sessions, 0) }

// End reports, once, that no session is left or came back.
func (l *Lease) End() bool {
	if l.sessions != 0 {
		return false
	}
	l.sessions = -1
	l.stop()
	return true
}

func (l *Lease) stop() {
	if l.linger != nil {
		l.linger.Stop()
		l.linger = nil
	}
}
