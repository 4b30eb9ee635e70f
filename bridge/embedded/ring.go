package embedded

// ring is a queue in one buffer whose size is a power of two. The zero value is
// empty. The buffer is given back when the ring runs empty after it was large.
type ring[T any] struct {
	buf  []T
	head int
	n    int
}

// ringKeep is the largest buffer, in elements, that an empty ring holds on to.
const ringKeep = 64

func (r *ring[T]) len() int { return r.n }

// at returns the i-th element, 0 being the oldest.
func (r *ring[T]) at(i int) *T { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

func (r *ring[T]) push(v T) {
	if r.n == len(r.buf) {
		bigger := make([]T, max(4, 2*len(r.buf)))
		for i := range r.n {
			bigger[i] = *r.at(i)
		}
		r.buf, r.head = bigger, 0
	}
	r.n++
	*r.at(r.n - 1) = v
}

func (r *ring[T]) pop() T {
	var zero T
	p := r.at(0)
	v := *p
	*p = zero
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	if r.n == 0 && len(r.buf) > ringKeep {
		*r = ring[T]{}
	}
	return v
}

// keep removes the elements that ok refuses; the order stays.
func (r *ring[T]) keep(ok func(*T) bool) {
	var zero T
	n := 0
	for i := range r.n {
		if p := r.at(i); ok(p) {
			if i != n {
				*r.at(n) = *p
			}
			n++
		}
	}
	for i := n; i < r.n; i++ {
		*r.at(i) = zero
	}
	r.n = n
}
