package ws

import "math/bits"

// In the midst of a long frame the connection can be read right into the Reader's buffer, which saves a copy of almost
// all of a long message, and the buffer of whoever reads does not bound how much comes at once.

const (
	// minRoom is how many bytes must have come and be missing for that. Less is read
	// with what is behind it.
	minRoom = 16 << 10

	// maxRoom bounds it, as all that is read at once is also unmasked and checked at once.
	maxRoom = 256 << 10

	// ahead is up to how many times what has arrived is reserved for a frame, once that is minRoom: each
	// further step of growth copies all that is there, but whoever announces much and sends little is
	// not to have more held for it than that.
	ahead = 4
)

// Long reports that the Reader is in the midst of a long frame: much of it has come, and much is missing.
func (r *Reader) Long() bool {
	return r.state&statePayload != 0 && r.need >= minRoom && len(r.buffered()) >= minRoom
}

// Room returns memory to read the connection's next bytes to, if many are missing of the
// current frame; else nil, and they are for [Reader.Feed]. [Reader.Filled] says how
// many there were; it is called before any other method, or not at all if there were none.
func (r *Reader) Room() []byte {
	if !r.Long() {
		return nil
	}
	want := min(int(r.need), maxRoom)
	if free := cap(r.buf.b) - len(r.buf.b); free < min(want, minRoom) {
		r.grow(0)
	}
	b := r.buf.b
	return b[len(b):min(cap(b), len(b)+want)]
}

// Filled is [Reader.Feed] for the first n bytes of what Room returned, all of which are
// consumed.
func (r *Reader) Filled(l *Limits, n int, h Handler) error {
	r.buf.b = r.buf.b[:len(r.buf.b)+n]
	if _, err := r.arrived(l, n, h); err != nil {
		r.Release()
		return err
	}
	return nil
}

// grow makes room in buf for n bytes that have come, and for more of the current frame as far as that is not out
// of proportion to what has come.
func (r *Reader) grow(n int) {
	held := len(r.buffered())
	if came := held + n; came >= minRoom {
		most := 1 << (bits.Len(uint(ahead*came)) - 1) // a size that buffers have
		n = min(held+int(r.need), most) - held
	}
	r.buf = r.buf.grow(n)
}
