package server

import (
	"context"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/pulsegate/pulsegate/protocol"
	"github.com/pulsegate/pulsegate/server/http1"
	"github.com/pulsegate/pulsegate/topic"
)

// The paths that tell whether the process lives, and balancers whether to send clients here.
const (
	pathHealth = "/healthz"
	pathReady  = "/readyz"
	pathStatus = "/status.html"
)

// pathProtocol is where the description of the protocol is.
const pathProtocol = "/asyncapi.yaml"

// readyTimeout bounds the upstream's answer to a readiness check.
const readyTimeout = 5 * time.Second

// routes serves the requests that are no session. It routes by hand:
// [http.ServeMux] would redirect paths with an empty or dotted segment, which
// may be part of a topic's name.
func (s *Server) routes() http.Handler {
	// Anybody may ask for metrics: they have a line of their own, so that they keep no super-user waiting.
	statistics, scrapes := s.newShared(maxStatistics), s.newShared(len(scrapeFormats))
	pages := s.pages(false)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		if stats, ok := statsPath(path); ok {
			onlyGet(s.guard(s.statsSubject(stats), func(w http.ResponseWriter, r *http.Request) {
				statistics.answer(w, r, stats, func(rec *http1.Recorder) { s.stats(rec, stats) })
			}))(w, r)
			return
		}
		switch {
		case s.isPage(path):
			pages.ServeHTTP(w, r)
		case path == s.metricsPath() || path == s.metricsPath()+"/":
			onlyGet(func(w http.ResponseWriter, r *http.Request) { s.scrape(scrapes, w, r) })(w, r)
		case path == pathHealth:
			onlyGet(healthy)(w, r)
		case path == pathReady:
			onlyGet(s.ready)(w, r)
		case path == pathStatus:
			onlyGet(s.statusFile)(w, r)
		case path == pathProtocol:
			onlyGet(describe)(w, r)
		case s.o.Admin != nil && strings.HasPrefix(path, "/admin/"):
			s.guard(topic.Name{}, s.o.Admin.ServeHTTP)(w, r)
		default:
			http1.WriteReason(w, http.StatusNotFound, "Not Found")
		}
	})
}

func onlyGet(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http1.WriteReason(w, http.StatusMethodNotAllowed, "only GET and HEAD are allowed")
			return
		}
		h(w, r)
	}
}

// healthy answers as long as the process can answer at all.
func healthy(w http.ResponseWriter, _ *http.Request) { writeText(w, "ok\n") }

// ready tells whether new sessions can be served, now and for a while.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if s.leaving.Load() {
		http1.WriteReason(w, http.StatusServiceUnavailable, errDraining.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := s.o.Bridge.Ready(ctx); err != nil {
		http1.WriteReason(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	writeText(w, "ok\n")
}

// statusFile answers load balancers: OK while the configured file exists and the
// server is to stay. An operator takes the server out of service by removing it.
func (s *Server) statusFile(w http.ResponseWriter, _ *http.Request) {
	if s.o.StatusFile == "" {
		http1.WriteReason(w, http.StatusNotFound, "Not Found")
		return
	}
	if _, err := os.Stat(s.o.StatusFile); err != nil {
		http1.WriteReason(w, http.StatusNotFound, "the status file does not exist")
		return
	}
	if s.leaving.Load() {
		http1.WriteReason(w, http.StatusNotFound, errDraining.Error())
		return
	}
	writeText(w, "OK")
}

// describe answers with the protocol's description, for machines.
func describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/vnd.aai.asyncapi+yaml;version=3.0.0")
	_, _ = w.Write(protocol.AsyncAPI)
}

func writeText(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(text))
}
