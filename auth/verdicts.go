package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
)

// mark stands for credentials that were seen: a keyed hash, as they are not kept.
type mark [sha256.Size]byte

// marker is the key of marks.
type marker [32]byte

func newMarker() (k marker) {
	_, _ = rand.Read(k[:]) // never fails
	return k
}

func (k *marker) mark(credentials string) (m mark) {
	h := hmac.New(sha256.New, k[:])
	h.Write([]byte(credentials))
	h.Sum(m[:0])
	return m
}

// verdicts remembers what was found out about credentials, so that clients which
// come again and again are not checked each time. They belong to one version of
// the keys or users they were made with, O, and are forgotten with it. Their number
// is bounded: when it is reached, all are forgotten.
//
// It may be used from any goroutine.
type verdicts[O comparable, V any] struct {
	most int

	mu    sync.Mutex // guards what follows
	of    O
	known map[mark]V
}

func newVerdicts[O comparable, V any](most int) *verdicts[O, V] {
	return &verdicts[O, V]{most: most}
}

func (v *verdicts[O, V]) get(of O, m mark) (verdict V, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.of != of {
		return verdict, false
	}
	verdict, ok = v.known[m]
	return verdict, ok
}

func (v *verdicts[O, V]) put(of O, m mark, verdict V) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.of != of || len(v.known) >= v.most {
		v.of, v.known = of, map[mark]V{}
	}
	if v.known == nil {
		v.known = map[mark]V{}
	}
	v.known[m] = verdict
}
