package server

import (
	"log/slog"
	"time"

	"github.com/lesismal/llib/std/crypto/tls"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pulsegate/pulsegate/server/tlsconf"
)

// certificateRetry is how soon certificates that could not be read are looked at
// again: most likely one file of a pair was written and the other was not yet.
const certificateRetry = 5 * time.Second

// watchCertificates reads the certificates again when they change. Connections
// keep what they began with; new ones get the new.
func (s *Server) watchCertificates() {
	next := s.set().tlsRefresh
	for {
		select {
		case <-time.After(next):
		case <-s.reread:
		case <-s.stopping:
			return
		}
		changed, err := s.o.TLS.Refresh()
		next = s.set().tlsRefresh
		switch {
		case err != nil:
			next = min(next, certificateRetry)
			s.certificateWarning.Log(s.log, slog.LevelWarn, "cannot read the TLS certificates again; those read before stay in use", "error", err)
		case changed:
			s.log.Info("TLS certificates read again", "not_after", s.o.TLS.NotAfter())
		}
	}
}

// lookAtCertificates makes the server look at the certificates now, and again when
// the settings say. It does not wait for that.
func (s *Server) lookAtCertificates() {
	select {
	case s.reread <- struct{}{}:
	default: // it is about to
	}
}

func (m *metrics) withTLS(source *tlsconf.Source) {
	m.tls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pulsegate_tls_handshakes_total", Help: "TLS handshakes by outcome: full, resumed (with a session ticket) or failed.",
	}, []string{"result"})
	m.registry.MustRegister(m.tls, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "pulsegate_tls_certificate_not_after_seconds", Help: "When the certificate shown to clients expires, in seconds since 1970.",
	}, func() float64 { return float64(source.NotAfter().Unix()) }))
	for _, result := range []string{"full", "resumed", "failed"} {
		m.tls.WithLabelValues(result) // shown from the start
	}
}

func (m *metrics) tlsHandshake(state *tls.ConnectionState) {
	result := "full"
	if state.DidResume {
		result = "resumed"
	}
	m.tls.WithLabelValues(result).Inc()
}

func (m *metrics) tlsFailed() { m.tls.WithLabelValues("failed").Inc() }
