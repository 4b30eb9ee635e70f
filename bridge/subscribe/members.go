package subscribe

import "iter"

// members are the sessions that are attached to a [ledger]. They link each other, so that one
// alone takes no memory of its own.
type members struct {
	first *member
	n     int
}

func (l *members) add(s *member) {
	if s.after = l.first; s.after != nil {
		s.after.before = s
	}
	l.first = s
	l.n++
}

// remove takes s out if it is in.
func (l *members) remove(s *member) {
	switch {
	case s.before != nil:
		s.before.after = s.after
	case l.first == s:
		l.first = s.after
	default:
		return
	}
	if s.after != nil {
		s.after.before = s.before
	}
	s.before, s.after = nil, nil
	l.n--
}

func (l *members) len() int { return l.n }

// all lists them. None may be added or removed meanwhile.
func (l *members) all() iter.Seq[*member] {
	return func(yield func(*member) bool) {
		for s := l.first; s != nil && yield(s); s = s.after {
		}
	}
}
