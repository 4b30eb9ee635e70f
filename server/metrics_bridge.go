package server

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/pulsegate/pulsegate/bridge/census"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/latency"
)

// metric is a name below pulsegate_ with what it means and its labels.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("pulsegate_"+name, help, labels, nil)
}

// What the bridge counts.
var (
	publishedMessages = metric("published_messages_total", "Messages published and confirmed.")
	publishedBytes    = metric("published_bytes_total", "Bytes of payload published.")
	publishFailures   = metric("publish_failures_total", "Publishes answered with an error, by its code.", "code")
	publishLatency    = metric("publish_latency_seconds", "Time from a publish to its confirmation.")

	deliveredMessages = metric("delivered_messages_total", "Messages pushed to clients, by the kind of their session.", "kind")
	deliveredBytes    = metric("delivered_bytes_total", "Bytes of payload pushed to clients.", "kind")
	deliveryLatency   = metric("delivery_latency_seconds", "Time from a message's arrival from the broker to the write to the client's socket.", "kind")
	redelivered       = metric("redelivered_messages_total", "Messages pushed to clients that had been delivered before.")
	acked             = metric("acked_messages_total", "Messages acknowledged.", "kind")
	nacked            = metric("nacked_messages_total", "Messages negatively acknowledged.")
	unacked           = metric("unacked_messages", "Messages delivered and not acknowledged.")
	fullWindows       = metric("full_windows", "Sessions that get nothing before they acknowledge something.", "kind")
	filledWindows     = metric("filled_windows_total", "How often a session came to that.", "kind")
	deadLetters       = metric("dead_letters_total", "Messages on their way to dead letter topics: moved, or failed and tried again.", "outcome")

	upstreamClients = metric("upstream_clients", "Clients at the upstream.", "kind")
	sharedClients   = metric("shared_clients", "Clients at the upstream that sessions may share, by how many do.", "kind", "sessions")
	tails           = metric("tails", "Topics whose readers share one tail.")
	tailBytes       = metric("tail_bytes", "Encoded frames kept by tails.")
	tailCursors     = metric("tail_cursors", "Cursors of readers: live in a tail, or behind what it holds.", "state")
)

// What it counts for each namespace, see Options.MetricsNamespaces.
var (
	nsSessions  = metric("namespace_sessions", "Open sessions, by namespace.", "namespace")
	nsPublished = metric("namespace_published_messages_total", "Messages published and confirmed, by namespace.", "namespace")
	nsPubBytes  = metric("namespace_published_bytes_total", "Bytes of payload published, by namespace.", "namespace")
	nsFailures  = metric("namespace_publish_failures_total", "Publishes answered with an error, by namespace.", "namespace")
	nsDelivered = metric("namespace_delivered_messages_total", "Messages pushed to clients, by namespace.", "namespace")
	nsDelBytes  = metric("namespace_delivered_bytes_total", "Bytes of payload pushed to clients, by namespace.", "namespace")
	nsAcked     = metric("namespace_acked_messages_total", "Messages acknowledged, by namespace.", "namespace")
)

// otherNamespaces is the label of all namespaces that have none of their own. No namespace is called so.
const otherNamespaces = "other"

// showBridge shows what goes on behind the sockets.
func (s *Server) showBridge(ch chan<- prometheus.Metric) {
	total := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	c, g, shares := s.o.Bridge.Counters(), s.o.Bridge.Gauges(), s.o.Bridge.Shares()
	total(publishedMessages, c.Published)
	total(publishedBytes, c.PublishedBytes)
	for code := codec.CodeCreateProducer; code <= codec.CodeUnknown; code++ {
		total(publishFailures, c.PublishFailed[code], strconv.Itoa(int(code)))
	}
	ch <- newHistogram(publishLatency, c.PublishLatency)

	for kind, of := range map[string]*census.Pushed{"consumer": &c.Consumers, "reader": &c.Readers} {
		total(deliveredMessages, of.Delivered, kind)
		total(deliveredBytes, of.DeliveredBytes, kind)
		total(acked, of.Acked, kind)
		total(filledWindows, of.Filled, kind)
		ch <- newHistogram(deliveryLatency, of.Latency, kind)
	}
	total(redelivered, c.Redelivered)
	total(nacked, c.Nacked)
	gauge(unacked, g.Unacked)
	gauge(fullWindows, g.FullConsumers, "consumer")
	gauge(fullWindows, g.FullReaders, "reader")
	total(deadLetters, c.DeadLetters, "moved")
	total(deadLetters, c.DeadLettersFailed, "failed")

	gauge(upstreamClients, int64(g.UpstreamProducers), "producer")
	gauge(upstreamClients, int64(g.UpstreamConsumers), "consumer")
	gauge(upstreamClients, int64(g.UpstreamReaders), "reader")
	gauge(tails, int64(g.Tails))
	gauge(tailBytes, g.TailBytes)
	gauge(tailCursors, int64(shares.Live), "live")
	gauge(tailCursors, int64(shares.Behind), "behind")
	for kind, clients := range map[string][]int{"producer": shares.Producers[:], "consumer": shares.Consumers[:], "tail": shares.Tails[:]} {
		for i, n := range clients {
			gauge(sharedClients, int64(n), kind, shareLabel(i))
		}
	}

	if s.o.MetricsNamespaces <= 0 {
		return
	}
	for _, n := range s.o.Bridge.NamespaceCounters(s.o.MetricsNamespaces) {
		name := n.Namespace
		if name == "" {
			name = otherNamespaces
		}
		gauge(nsSessions, int64(n.Sessions), name)
		total(nsPublished, n.Published, name)
		total(nsPubBytes, n.PublishedBytes, name)
		total(nsFailures, n.PublishFailed, name)
		total(nsDelivered, n.Delivered, name)
		total(nsDelBytes, n.DeliveredBytes, name)
		total(nsAcked, n.Acked, name)
	}
}

// shareLabel names the i-th of [census.ShareBounds]: 0, 1, 2-10 and so on.
func shareLabel(i int) string {
	bounds := census.ShareBounds
	low := 0
	if i > 0 {
		low = bounds[i-1] + 1
	}
	switch {
	case i == len(bounds):
		return strconv.Itoa(low) + "-"
	case low == bounds[i]:
		return strconv.Itoa(low)
	}
	return strconv.Itoa(low) + "-" + strconv.Itoa(bounds[i])
}

// histogram shows a [latency.Snapshot] with classic buckets and with native ones, of which scrapers take
// what they know.
type histogram struct {
	desc   *prometheus.Desc
	of     *latency.Snapshot
	labels []string
}

// newHistogram shows of; kind is the value of the one label that it may have.
func newHistogram(d *prometheus.Desc, of *latency.Snapshot, kind ...string) prometheus.Metric {
	return &histogram{d, of, kind}
}

// Desc implements [prometheus.Metric].
func (h *histogram) Desc() *prometheus.Desc { return h.desc }

// Write implements [prometheus.Metric].
func (h *histogram) Write(to *dto.Metric) error {
	for i := range h.labels {
		name := "kind"
		to.Label = append(to.Label, &dto.LabelPair{Name: &name, Value: &h.labels[i]})
	}
	count, sum, schema, threshold := h.of.Count(), h.of.Sum.Seconds(), int32(latency.Schema), latency.ZeroThreshold()
	out := &dto.Histogram{SampleCount: &count, SampleSum: &sum, Schema: &schema, ZeroThreshold: &threshold}
	for i, n := range h.of.Classic() {
		bound := latency.Bounds[i].Seconds()
		out.Bucket = append(out.Bucket, &dto.Bucket{CumulativeCount: &n, UpperBound: &bound})
	}
	zero, first, counts := h.of.Native()
	out.ZeroCount = &zero
	next, before := 0, int64(0) // the bucket behind the last span, and the count of the last bucket in it
	for i, n := range counts {
		if n == 0 {
			continue
		}
		key := first + i
		if len(out.PositiveSpan) == 0 || key != next {
			offset, length := int32(key-next), uint32(0)
			out.PositiveSpan = append(out.PositiveSpan, &dto.BucketSpan{Offset: &offset, Length: &length})
		}
		*out.PositiveSpan[len(out.PositiveSpan)-1].Length++
		out.PositiveDelta = append(out.PositiveDelta, int64(n)-before)
		next, before = key+1, int64(n)
	}
	if len(out.PositiveSpan) == 0 {
		none, length := int32(0), uint32(0)
		out.PositiveSpan = []*dto.BucketSpan{{Offset: &none, Length: &length}} // tells that it is native
	}
	to.Histogram = out
	return nil
}
