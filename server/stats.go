package server

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/pulsegate/pulsegate/bridge/census"
	"github.com/pulsegate/pulsegate/server/http1"
	"github.com/pulsegate/pulsegate/topic"
)

// The shapes of Pulsar's proxy statistics.
type (
	topicStats struct {
		Producers []producerStats `json:"producerStats"`
		Consumers []consumerStats `json:"consumerStats"`
	}
	producerStats struct {
		Remote    string `json:"remoteConnection"`
		Published uint64 `json:"numberOfMsgPublished"`
	}
	consumerStats struct {
		Remote       string `json:"remoteConnection"`
		Subscription string `json:"subscriptionName"`
		Type         string `json:"subscriptionType"`
		Mode         string `json:"subscriptionMode,omitempty"` // readers have none
		Delivered    uint64 `json:"numberOfMsgDelivered"`
	}
	namespaceMetrics struct {
		Metrics    map[string]float64 `json:"metrics"`
		Dimensions map[string]string  `json:"dimensions"`
	}
)

// statsPath takes the part of a path that follows /admin/proxy-stats/ or
// /admin/v2/proxy-stats/.
func statsPath(path string) (rest string, ok bool) {
	path, ok = strings.CutPrefix(path, "/admin/")
	if !ok {
		return "", false
	}
	path, v2 := strings.CutPrefix(path, "v2/")
	rest, ok = strings.CutPrefix(path, "proxy-stats/")
	if !v2 && ok {
		rest = "v1/" + rest
	}
	return rest, ok
}

// stats answers the statistics at a path found by [statsPath].
func (s *Server) stats(w http.ResponseWriter, path string) {
	path, v1 := strings.CutPrefix(path, "v1/")
	switch path {
	case "stats":
		all := map[string]topicStats{}
		for topic, t := range s.o.Bridge.Stats() {
			all[topic] = shapeOf(t)
		}
		http1.WriteJSON(w, http.StatusOK, all)
		return
	case "metrics":
		all := []namespaceMetrics{}
		for _, r := range s.o.Bridge.NamespaceRates() {
			all = append(all, metricsOf(r))
		}
		http1.WriteJSON(w, http.StatusOK, all)
		return
	}
	topic, ok := s.statsTopic(path, v1)
	if !ok {
		http1.WriteReason(w, http.StatusNotFound, "Not Found")
		return
	}
	t, ok := s.o.Bridge.TopicStats(topic)
	if !ok {
		http1.WriteReason(w, http.StatusNotFound, "Topic does not exist")
		return
	}
	http1.WriteJSON(w, http.StatusOK, shapeOf(t))
}

// statsTopic reads {domain}/{tenant}/{namespace}/{topic}/stats. A v1 path has a
// cluster behind the tenant, and the Java proxy's have no domain: persistent is
// meant then. The name is as the brokers have it.
func (s *Server) statsTopic(path string, v1 bool) (topic string, ok bool) {
	path, ok = strings.CutSuffix(path, "/stats")
	names := 3
	if v1 {
		names = 4
	}
	if v1 && !strings.HasPrefix(path, "persistent/") && !strings.HasPrefix(path, "non-persistent/") {
		path = "persistent/" + path
	}
	segments := strings.SplitN(path, "/", names+1)
	if !ok || len(segments) != names+1 {
		return "", false
	}
	for i, segment := range segments {
		decoded, err := url.QueryUnescape(segment)
		if err != nil || decoded == "" {
			return "", false
		}
		segments[i] = decoded
	}
	return s.set().route.StatsTopic(segments[0] + "://" + strings.Join(segments[1:], "/"))
}

// statsSubject is the topic that statistics at a path found by [statsPath] are
// about, the zero Name for those of all topics.
func (s *Server) statsSubject(path string) topic.Name {
	path, v1 := strings.CutPrefix(path, "v1/")
	full, _ := s.statsTopic(path, v1)
	name, _ := topic.Parse(full)
	return name
}

func shapeOf(t census.TopicStats) topicStats {
	out := topicStats{Producers: []producerStats{}, Consumers: []consumerStats{}}
	for _, p := range t.Producers {
		out.Producers = append(out.Producers, producerStats{Remote: remoteText(p.RemoteAddr), Published: p.Published})
	}
	for _, c := range t.Consumers {
		cs := consumerStats{Remote: remoteText(c.RemoteAddr), Subscription: c.Subscription, Type: c.Type.String(), Delivered: c.Delivered}
		switch {
		case c.Reader:
			cs.Subscription = "reader"
		case c.NonDurable:
			cs.Mode = "NonDurable"
		default:
			cs.Mode = "Durable"
		}
		out.Consumers = append(out.Consumers, cs)
	}
	return out
}

// remoteText writes an address as Java does.
func remoteText(addr string) string { return "/" + addr }

func metricsOf(r census.NamespaceRates) namespaceMetrics {
	m := map[string]float64{
		"ns_msg_publish_rate":  r.PublishRate,
		"ns_byte_publish_rate": r.PublishBytes,
		"ns_msg_failure_rate":  r.FailureRate,
		"ns_msg_deliver_rate":  r.DeliverRate,
		"ns_byte_deliver_rate": r.DeliverBytes,
		"ns_msg_ack_rate":      r.AckRate,
	}
	name := ""
	for i, bound := range census.LatencyBounds {
		name = "ns_msg_publish_latency_" + strconv.FormatInt(bound.Microseconds(), 10)
		m[name] = float64(r.Latency[i])
	}
	m[name+"_higher"] = float64(r.Latency[len(census.LatencyBounds)])
	return namespaceMetrics{Metrics: m, Dimensions: map[string]string{"namespace": r.Namespace}}
}
