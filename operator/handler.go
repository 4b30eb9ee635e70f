package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/pulsegate/pulsegate/inturn"
)

// Prefix is where everything lies.
const Prefix = "/gateway/"

// maxBody bounds a request's body, in bytes.
const maxBody = 4 << 10

// maxWaiting bounds the requests that wait for their turn to look at all sessions.
const maxWaiting = 16

// handler serves [Prefix].
type handler struct {
	source Source
	log    *slog.Logger
	lists  *inturn.Line  // of requests that look at all sessions; nothing is written to a client in a turn
	busy   chan struct{} // holds one while a profile is taken
}

// NewHandler serves what source tells.
func NewHandler(source Source, log *slog.Logger) http.Handler {
	h := &handler{source: source, log: log, lists: inturn.New(maxWaiting), busy: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	read := func(path string, f http.HandlerFunc) { mux.HandleFunc("GET "+Prefix+path, f) }
	do := func(method, path string, f http.HandlerFunc) {
		mux.HandleFunc(method+" "+Prefix+path, actionsOnly(f))
	}
	read("status", h.status)
	read("sessions", h.inTurn(h.sessions))
	read("sessions/{id}", h.inTurn(h.session))
	read("topics", h.inTurn(h.topics))
	read("upstream", h.inTurn(h.upstream))
	read("brokers", h.inTurn(h.brokers))
	read("refusals", h.refusals)
	read("config", h.config)
	read("log-level", h.level)
	do("DELETE", "sessions/{id}", h.closeSession)
	do("PUT", "log-level", h.setLevel)
	do("POST", "profiles/{name}", h.profile)
	mux.HandleFunc(Prefix, func(w http.ResponseWriter, r *http.Request) {
		writeReason(w, http.StatusNotFound, "no such page; the pages are status, sessions, topics, upstream, brokers, refusals, config and log-level")
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// Actor is who does what only an operator may, for the log.
type Actor struct {
	Role    string // "" where operators do not log in
	Address netip.AddrPort
}

// actorKey is the key in a request's context of what [AllowActions] says.
type actorKey struct{}

// AllowActions lets a request do what only an operator may: close sessions, change the
// log level, take profiles. Without it that is refused.
func AllowActions(r *http.Request, by Actor) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), actorKey{}, by))
}

// MayAct tells who acts, if [AllowActions] was called.
func MayAct(r *http.Request) (by Actor, ok bool) {
	by, ok = r.Context().Value(actorKey{}).(Actor)
	return by, ok
}

// acted logs what an operator has done, and who that was.
func (h *handler) acted(r *http.Request, level slog.Level, what string, args ...any) {
	by, _ := MayAct(r)
	args = append(args, "operator", by.Address.String())
	if by.Role != "" {
		args = append(args, "role", by.Role)
	}
	h.log.Log(r.Context(), level, what, args...)
}

func actionsOnly(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, ok := MayAct(r); !ok {
			writeReason(w, http.StatusForbidden, "only a super-user may do this or, where clients do not log in, whoever asks at operatorServicePort")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		f(w, r)
	}
}

// problem is why a question has no answer.
type problem struct {
	status int
	reason string
}

var errGone = &problem{http.StatusServiceUnavailable, "the request took too long"}

// inTurn answers with what find finds, in its turn.
func (h *handler) inTurn(find func(r *http.Request) (any, *problem)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var text []byte
		var no *problem
		err := h.lists.Do(r.Context(), func() {
			var found any
			if found, no = find(r); no == nil && r.Context().Err() == nil {
				text = marshal(found)
			}
		})
		switch {
		case errors.Is(err, inturn.ErrFull):
			no = &problem{http.StatusServiceUnavailable, err.Error()}
		case no == nil && text == nil:
			no = errGone // it was cut off, before its turn or in it
		}
		if no != nil {
			writeReason(w, no.status, no.reason)
			return
		}
		header(w, "application/json")
		_, _ = w.Write(text)
	}
}

func (h *handler) status(w http.ResponseWriter, _ *http.Request) { writeJSON(w, h.source.Status()) }

func (h *handler) config(w http.ResponseWriter, _ *http.Request) {
	var text bytes.Buffer
	if err := h.source.WriteConfig(&text); err != nil {
		writeReason(w, http.StatusInternalServerError, err.Error())
		return
	}
	header(w, "text/plain; charset=utf-8")
	_, _ = w.Write(text.Bytes())
}

func sessionID(r *http.Request) (id uint64, no *problem) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, &problem{http.StatusBadRequest, "the id of a session is a number"}
	}
	return id, nil
}

var errNoSession = &problem{http.StatusNotFound, "there is no session with this id; it may have ended"}

func header(w http.ResponseWriter, kind string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
}

func writeJSON(w http.ResponseWriter, v any) { writeJSONStatus(w, http.StatusOK, v) }

func writeJSONStatus(w http.ResponseWriter, status int, v any) {
	text := marshal(v)
	header(w, "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil { // a value of ours that JSON cannot say
		panic(err)
	}
	return append(text, '\n')
}

// reasoner is a writer of answers that keeps the reason of a refusal for the log.
type reasoner interface{ KeepReason(reason string) }

func writeReason(w http.ResponseWriter, status int, reason string) {
	if to, ok := w.(reasoner); ok {
		to.KeepReason(reason)
	}
	writeJSONStatus(w, status, map[string]string{"reason": reason})
}
