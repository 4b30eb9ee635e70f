package inturn

import (
	"context"
	"errors"
	"sync"
)

// ErrFailed says that the making of what was waited for panicked on another goroutine.
var ErrFailed = errors.New("internal error")

// Shared is a [Line] in which all who wait for the same thing, which a K names, have one turn together: it is made once for
// all of them, so that they may be as many as they like.
//
// What is made is never older than who asks for it: whoever comes while it is being made waits for the next one. It has no goroutine:
// one of those who wait makes it, on its own.
type Shared[K comparable, V any] struct {
	line *Line
	most int

	mu   sync.Mutex       // guards next and the fields waiting; nobody waits with it held
	next map[K]*making[V] // what is waited for and not begun: at most so many
}

// making is one turn for all who wait for the same.
type making[V any] struct {
	waiting int           // who waits, before it is begun
	done    chan struct{} // closed when it is made; the fields below are written before and constant then
	value   V
	err     error
}

// NewShared makes a line in which different things, so many at most, are waited for.
func NewShared[K comparable, V any](most int) *Shared[K, V] {
	return &Shared[K, V]{line: New(1), most: most, next: map[K]*making[V]{}}
}

// Do returns a value that f has made since Do was called, here or for another who waits for the same key. It returns [ErrFull] at
// once if it would be one thing too many that is waited for, the error of ctx if that ends earlier, or [ErrFailed]. A panic of f's
// goes on to who called it.
func (s *Shared[K, V]) Do(ctx context.Context, key K, f func() V) (value V, err error) {
	m := s.join(key)
	if m == nil {
		return value, ErrFull
	}
	mine, err := s.line.take(ctx, m.done)
	if err != nil {
		s.leave(key, m)
		return value, err
	}
	if mine {
		s.line.run(func() { s.make(key, m, f) })
	}
	return m.value, m.err
}

// join waits for the next making of what key names, nil if too much else is waited for.
func (s *Shared[K, V]) join(key K) *making[V] {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.next[key]
	if m == nil {
		if len(s.next) >= s.most {
			return nil
		}
		m = &making[V]{done: make(chan struct{})}
		s.next[key] = m
	}
	m.waiting++
	return m
}

// leave is for one who waits no longer. What nobody waits for is not made.
func (s *Shared[K, V]) leave(key K, m *making[V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.waiting--; m.waiting == 0 && s.next[key] == m {
		delete(s.next, key)
	}
}

// make makes it for all who have joined. Its caller has the turn, so m is not begun yet.
func (s *Shared[K, V]) make(key K, m *making[V], f func() V) {
	s.mu.Lock()
	delete(s.next, key)
	s.mu.Unlock()
	defer close(m.done)
	m.err = ErrFailed // if it panics
	m.value = f()
	m.err = nil
}
