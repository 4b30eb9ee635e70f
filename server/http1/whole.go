package http1

import (
	"net/http"
	"sync"
)

// Whole is a response that many clients get. Its bytes are there once for all of those whose connection stays, and once for those
// whose connection ends with it. It does not change: any goroutine may use it.
type Whole struct {
	rec    Recorder // Body is a part of stays
	stays  []byte
	closes func() []byte // makes it when somebody asks
}

// Whole makes a response of all that was recorded, with a status that allows a body; r is not used any more.
func (r *Recorder) Whole() *Whole {
	w := &Whole{stays: r.Append(nil, false, false)}
	r.Body = clip(w.stays[len(w.stays)-len(r.Body):])
	w.rec = *r
	w.closes = sync.OnceValue(func() []byte { return w.rec.Append(nil, false, true) })
	return w
}

func (w *Whole) bytes(closes bool) []byte {
	if closes {
		return clip(w.closes())
	}
	return clip(w.stays)
}

// clip keeps those who append from writing behind b.
func clip(b []byte) []byte { return b[:len(b):len(b)] }

// Answer answers with the response.
func (w *Whole) Answer(to http.ResponseWriter) {
	if rec, ok := to.(*Recorder); ok {
		*rec = w.rec
		rec.header, rec.whole = w.rec.header.Clone(), w
		return
	}
	for name, values := range w.rec.header {
		to.Header()[name] = values
	}
	to.WriteHeader(w.rec.Status)
	_, _ = to.Write(w.rec.Body)
}
