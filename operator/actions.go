package operator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/pprof"
	"strings"
	"time"
)

// defaultReason is what a client is told whose session is closed without a reason.
const defaultReason = "closed by an operator"

// maxReason bounds a reason, in bytes: a close frame has no room for more.
const maxReason = 100

// closeSession answers DELETE sessions/{id}?reason=….
func (h *handler) closeSession(w http.ResponseWriter, r *http.Request) {
	id, no := sessionID(r)
	if no != nil {
		writeReason(w, no.status, no.reason)
		return
	}
	reason := r.URL.Query().Get("reason")
	switch {
	case reason == "":
		reason = defaultReason
	case len(reason) > maxReason:
		writeReason(w, http.StatusBadRequest, fmt.Sprintf("parameter reason: %d bytes, expected %d at most", len(reason), maxReason))
		return
	}
	if !h.source.CloseSession(id, reason) {
		writeReason(w, errNoSession.status, errNoSession.reason)
		return
	}
	h.acted(r, slog.LevelInfo, "an operator closes a session", "session", id, "reason", reason)
	writeJSON(w, map[string]any{"closed": id})
}

// level answers GET log-level.
func (h *handler) level(w http.ResponseWriter, _ *http.Request) {
	if v := h.source.Level(); v != nil {
		writeJSON(w, levelText{strings.ToLower(v.Level().String())})
		return
	}
	writeReason(w, http.StatusNotFound, "the log level cannot be changed while it runs")
}

type levelText struct {
	Level string `json:"level"`
}

// setLevel answers PUT log-level. It holds until the configuration is read again.
func (h *handler) setLevel(w http.ResponseWriter, r *http.Request) {
	v := h.source.Level()
	if v == nil {
		writeReason(w, http.StatusNotFound, "the log level cannot be changed while it runs")
		return
	}
	var to levelText
	in := json.NewDecoder(r.Body)
	in.DisallowUnknownFields()
	if err := in.Decode(&to); err != nil {
		writeReason(w, http.StatusBadRequest, `expected {"level":"debug"}, info, warn or error: `+err.Error())
		return
	}
	level, ok := levels[to.Level]
	if !ok {
		writeReason(w, http.StatusBadRequest, fmt.Sprintf("level %.20q: expected debug, info, warn or error", to.Level))
		return
	}
	was := v.Level()
	v.Set(level)
	h.acted(r, slog.LevelWarn, "an operator has changed the log level", "from", strings.ToLower(was.String()), "to", to.Level)
	writeJSON(w, to)
}

var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// maxProfile bounds how long a CPU profile takes, in seconds: a request has half a minute.
const maxProfile = 25

// profile answers POST profiles/{name}: cpu, for ?seconds=, or one of those that [pprof.Lookup] knows.
func (h *handler) profile(w http.ResponseWriter, r *http.Request) {
	select {
	case h.busy <- struct{}{}:
		defer func() { <-h.busy }()
	default:
		writeReason(w, http.StatusConflict, "another profile is being taken")
		return
	}
	name := r.PathValue("name")
	var out bytes.Buffer
	if name == "cpu" {
		seconds, err := 10, error(nil)
		if text := r.URL.Query().Get("seconds"); text != "" {
			if seconds, err = count(text, 1, maxProfile); err != nil {
				writeReason(w, http.StatusBadRequest, "parameter seconds: "+err.Error())
				return
			}
		}
		if err := pprof.StartCPUProfile(&out); err != nil {
			writeReason(w, http.StatusConflict, err.Error())
			return
		}
		select {
		case <-time.After(time.Duration(seconds) * time.Second):
		case <-r.Context().Done():
		}
		pprof.StopCPUProfile()
	} else {
		p := pprof.Lookup(name)
		if p == nil {
			writeReason(w, http.StatusNotFound, fmt.Sprintf("there is no profile %.30q; the profiles are cpu, heap, allocs, goroutine, mutex, block and threadcreate", name))
			return
		}
		if err := p.WriteTo(&out, 0); err != nil {
			writeReason(w, http.StatusInternalServerError, err.Error())
			return
		}
	}
	h.acted(r, slog.LevelInfo, "an operator takes a profile", "profile", name)
	header(w, "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="pulsegate-`+name+`.pb.gz"`)
	_, _ = w.Write(out.Bytes())
}
