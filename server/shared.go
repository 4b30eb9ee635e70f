package server

import (
	"errors"
	"net/http"

	"github.com/pulsegate/pulsegate/inturn"
	"github.com/pulsegate/pulsegate/server/http1"
)

// maxStatistics bounds the different statistics that are waited for.
const maxStatistics = 16

// shared answers requests that look at all sessions. Those that ask for the same while it waits for its turn get one answer together, of
// which there is one copy: so nobody is refused because many ask. An answer is never older than the request for it.
//
// Who waits has a goroutine, and no place among [Options.MaxConcurrentRequests]: others are served however many
// wait, of which there is one on a connection.
type shared struct {
	answers *inturn.Shared[string, *http1.Whole]
	places  *bound
	back    chan struct{} // holds one that takes its place again
}

// newShared makes a line in which so many different answers are waited for at most.
func (s *Server) newShared(most int) *shared {
	return &shared{answers: inturn.NewShared[string, *http1.Whole](most), places: &s.requests, back: make(chan struct{}, 1)}
}

// answer answers with what h records, which depends on key alone.
func (l *shared) answer(w http.ResponseWriter, r *http.Request, key string, h func(*http1.Recorder)) {
	whole, err := l.wait(r, key, h)
	switch {
	case err == nil:
		whole.Answer(w)
	case errors.Is(err, inturn.ErrFull):
		http1.WriteReason(w, http.StatusServiceUnavailable, err.Error())
	case errors.Is(err, inturn.ErrFailed):
		http1.WriteReason(w, http.StatusInternalServerError, err.Error())
	default:
		http1.WriteReason(w, http.StatusServiceUnavailable, "the request took too long")
	}
}

func (l *shared) wait(r *http.Request, key string, h func(*http1.Recorder)) (*http1.Whole, error) {
	l.places.give()
	defer func() {
		// One after the other: all that have waited together shall not have a place at once, or there would be none
		// for others.
		l.back <- struct{}{}
		l.places.count()
		<-l.back
	}()
	return l.answers.Do(r.Context(), key, func() *http1.Whole {
		rec := &http1.Recorder{}
		h(rec)
		return rec.Whole()
	})
}
