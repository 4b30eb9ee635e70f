package wire

import "google.golang.org/protobuf/encoding/protowire"

// message is what has fields.
type message interface{ fields(f *fields) }

// inner is for a field that holds a message of which there is always one. The walk
// through that is one of its own in both directions: it goes through an interface, for
// which it has to be on the heap, where f is not to be.
func (f *fields) inner(n number, name string, m message) {
	if !f.taking {
		at := f.open(n)
		sub := fields{out: f.out}
		m.fields(&sub)
		f.out = sub.out
		f.close(at)
		return
	}
	for f.at(n, protowire.BytesType) {
		sub := taken(f.s)
		for sub.more() {
			m.fields(&sub)
		}
		f.leave(sub.end(name))
	}
}

// innerIf is for a field that holds a message, or nothing: then *m is nil.
func innerIf[M any, P interface {
	*M
	message
}](f *fields, n number, name string, m *P) {
	if f.taking {
		if !f.at(n, protowire.BytesType) {
			return
		}
		if *m == nil {
			*m = new(M)
		}
	}
	if *m != nil {
		f.inner(n, name, *m)
	}
}

// inners is for a field that holds any number of messages.
func inners[M any, P interface {
	*M
	message
}](f *fields, n number, name string, list *[]M) {
	if !f.taking {
		for i := range *list {
			f.inner(n, name, P(&(*list)[i]))
		}
		return
	}
	for f.at(n, protowire.BytesType) {
		m := P(new(M))
		sub := taken(f.s)
		for sub.more() {
			m.fields(&sub)
		}
		*list = append(*list, *m)
		f.leave(sub.end(name))
	}
}
