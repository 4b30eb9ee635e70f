package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Prefix is where everything lies.
const Prefix = "/gateway/"

// maxBody bounds a request's body, in bytes.
const maxBody = 4 << 10

// handler serves [Prefix].
//
// turn lets one request at a time look at all sessions, and pauses behind it for as long as it took: however many
// ask, they take half a processor.
type handler struct {
	source Source
	log    *slog.Logger
	turn   sync.Mutex
	busy   chan struct{} // holds one while a profile is taken
}

// NewHandler serves what source tells.
func NewHandler(source Source, log *slog.Logger) http.Handler {
	h := &handler{source: source, log: log, busy: make(chan struct{}, 1)}
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
	read("refusals", h.refusals)
	read("config", h.config)
	read("log-level", h.level)
	do("DELETE", "sessions/{id}", h.closeSession)
	do("PUT", "log-level", h.setLevel)
	do("POST", "profiles/{name}", h.profile)
	mux.HandleFunc(Prefix, func(w http.ResponseWriter, r *http.Request) {
		writeReason(w, http.StatusNotFound, "no such page; there are status, sessions, topics, upstream, refusals, config and log-level")
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// mayAct is the key in a request's context of what [AllowActions] says.
type mayAct struct{}

// AllowActions lets a request do what only an operator may: close sessions, change the
// log level, take profiles. Without it that is refused.
func AllowActions(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), mayAct{}, true))
}

// MayAct reports whether [AllowActions] was called.
func MayAct(r *http.Request) bool {
	allowed, _ := r.Context().Value(mayAct{}).(bool)
	return allowed
}

func actionsOnly(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !MayAct(r) {
			writeReason(w, http.StatusForbidden, "only a super-user may do this; where clients do not log in, only a client on the gateway's own machine")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		f(w, r)
	}
}

func (h *handler) inTurn(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h.turn.Lock()
		defer h.turn.Unlock()
		begun := time.Now()
		f(w, r)
		select {
		case <-time.After(time.Since(begun)):
		case <-r.Context().Done():
		}
	}
}

func (h *handler) status(w http.ResponseWriter, _ *http.Request) { writeJSON(w, h.source.Status()) }

func (h *handler) refusals(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"refusals": listOf(h.source.Refusals())})
}

func (h *handler) config(w http.ResponseWriter, _ *http.Request) {
	var text bytes.Buffer
	if err := h.source.WriteConfig(&text); err != nil {
		writeReason(w, http.StatusInternalServerError, err.Error())
		return
	}
	header(w, "text/plain; charset=utf-8")
	_, _ = w.Write(text.Bytes())
}

func sessionID(w http.ResponseWriter, r *http.Request) (id uint64, ok bool) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		writeReason(w, http.StatusBadRequest, "the id of a session is a number")
		return 0, false
	}
	return id, true
}

func header(w http.ResponseWriter, kind string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
}

func writeJSON(w http.ResponseWriter, v any) { writeJSONStatus(w, http.StatusOK, v) }

func writeJSONStatus(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil { // a value of ours that JSON cannot say
		panic(err)
	}
	header(w, "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}

func writeReason(w http.ResponseWriter, status int, reason string) {
	writeJSONStatus(w, status, map[string]string{"reason": reason})
}
