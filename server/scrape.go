package server

import (
	"bytes"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/pulsegate/pulsegate/server/http1"
)

// scrapeFormats are those in which metrics can be had: all that the library knows but protobuf as text, which no scraper asks for, and which
// takes five times as long as any other.
var scrapeFormats = slices.DeleteFunc(expfmt.DefaultOpenMetricsAcceptedFormats(), func(f expfmt.Format) bool {
	return f.FormatType() == expfmt.TypeProtoText || f.FormatType() == expfmt.TypeProtoCompact
})

// scrape answers with the metrics in the format that the request prefers. They are gathered after it came, and written down, once for all
// requests that wait for this format. With many namespaces the writing is a third of the work.
func (s *Server) scrape(line *shared, w http.ResponseWriter, r *http.Request) {
	// How names are escaped makes no difference, as none of ours has to be.
	format, _, _ := strings.Cut(string(expfmt.NegotiateAccept(r.Header, scrapeFormats...)), "; "+model.EscapingKey+"=")
	line.answer(w, r, format, func(rec *http1.Recorder) {
		s.recordMetrics(rec, expfmt.Format(format).WithEscapingScheme(model.NameEscapingScheme))
	})
}

func (s *Server) recordMetrics(rec *http1.Recorder, format expfmt.Format) {
	var text bytes.Buffer
	if err := s.writeMetrics(&text, format); err != nil {
		s.metricsWarning.Log(s.log, slog.LevelWarn, "metrics cannot be gathered", "error", err)
		http1.WriteReason(rec, http.StatusInternalServerError, "internal error")
		return
	}
	rec.Header().Set("Content-Type", string(format))
	rec.Header().Set("Vary", "Accept")
	rec.WriteHeader(http.StatusOK)
	rec.Body = text.Bytes()
}

func (s *Server) writeMetrics(text *bytes.Buffer, format expfmt.Format) error {
	families, err := s.metrics.registry.Gather()
	if err != nil {
		return err // with the stack, if a collector panicked
	}
	to := expfmt.NewEncoder(text, format)
	for _, f := range families {
		if err := to.Encode(f); err != nil {
			return err
		}
	}
	if end, ok := to.(expfmt.Closer); ok {
		return end.Close()
	}
	return nil
}
