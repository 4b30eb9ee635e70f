package pulsar

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Admin speaks to a broker's admin API. Tests may call it from any goroutine.
//
// A namespace is named tenant/namespace, or property/cluster/namespace as in the year 2016. A topic is named in full, such as
// persistent://tenant/namespace/topic or persistent://property/cluster/namespace/topic; the last part may hold slashes
// only as %2F.
type Admin struct {
	URL   string // such as http://127.0.0.1:8080
	Token string // sent as a bearer token unless empty
}

// StatusError is an answer of the admin API that is not a success.
type StatusError struct {
	Method, Path string
	Code         int
	Reason       string // what the broker says about it
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s %s: status %d: %s", e.Method, e.Path, e.Code, e.Reason)
}

// adminClient bounds each request, so that a test never hangs in a helper. Keep-alive is off, so that tests which count
// goroutines and descriptors find none of ours.
var adminClient = &http.Client{
	Timeout:   30 * time.Second,
	Transport: &http.Transport{DisableKeepAlives: true},
}

// Do sends one request. path begins with /admin; in is sent as JSON unless nil, and the answer is read into out unless
// nil. A status other than 2xx is a *StatusError.
func (a *Admin) Do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.URL+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if a.Token != "" {
		req.Header.Set("Authorization", "Bearer "+a.Token)
	}
	resp, err := adminClient.Do(req)
	if err != nil {
		return fmt.Errorf("admin API: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode/100 != 2 {
		return &StatusError{Method: method, Path: path, Code: resp.StatusCode, Reason: string(text)}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s %s: read %q: %w", method, path, text, err)
	}
	return nil
}

// CreateCluster makes a cluster known, so that v1 namespaces may name it. That it has the same URLs as the cluster itself
// makes the broker serve it. One that exists is no error.
func (a *Admin) CreateCluster(ctx context.Context, name, brokerURL string) error {
	data := ClusterData{ServiceURL: a.URL, BrokerServiceURL: brokerURL}
	return ignoreConflict(a.Do(ctx, http.MethodPut, "/admin/v2/clusters/"+url.PathEscape(name), data, nil))
}

// CreateTenant makes a tenant, which v1 calls a property. It may use the clusters named. One that exists is no error.
func (a *Admin) CreateTenant(ctx context.Context, name string, clusters ...string) error {
	info := map[string][]string{"adminRoles": {}, "allowedClusters": clusters}
	return ignoreConflict(a.Do(ctx, http.MethodPut, "/admin/v2/tenants/"+url.PathEscape(name), info, nil))
}

// CreateNamespace makes a namespace. One that exists is no error.
func (a *Admin) CreateNamespace(ctx context.Context, namespace string) error {
	return ignoreConflict(a.Do(ctx, http.MethodPut, namespacePath(namespace), nil, nil))
}

// SetNamespacePolicy sets one policy, named as the admin API does, such as schemaCompatibilityStrategy, messageTTL or
// autoTopicCreation.
func (a *Admin) SetNamespacePolicy(ctx context.Context, namespace, policy string, value any) error {
	err := a.Do(ctx, http.MethodPost, namespacePath(namespace)+"/"+policy, value, nil)
	if status := (*StatusError)(nil); errors.As(err, &status) && status.Code == http.StatusMethodNotAllowed {
		return a.Do(ctx, http.MethodPut, namespacePath(namespace)+"/"+policy, value, nil) // some of them are PUT
	}
	return err
}

// SetBacklogQuota limits the backlog of each topic in a namespace. policy is producer_request_hold, producer_exception or
// consumer_backlog_eviction. The broker checks at most once in backlogQuotaCheckIntervalInSeconds.
func (a *Admin) SetBacklogQuota(ctx context.Context, namespace string, limitBytes int64, policy string) error {
	return a.SetNamespacePolicy(ctx, namespace, "backlogQuota", map[string]any{"limitSize": limitBytes, "policy": policy})
}

// CreateTopic makes a topic without partitions.
func (a *Admin) CreateTopic(ctx context.Context, topic string) error {
	return a.Do(ctx, http.MethodPut, topicPath(topic), nil, nil)
}

// CreatePartitionedTopic makes a topic of n partitions, named {topic}-partition-0 and so on.
func (a *Admin) CreatePartitionedTopic(ctx context.Context, topic string, n int) error {
	return a.Do(ctx, http.MethodPut, topicPath(topic)+"/partitions", n, nil)
}

// DeleteTopic deletes a topic without partitions, its schema, and whoever is connected to it.
func (a *Admin) DeleteTopic(ctx context.Context, topic string) error {
	return a.Do(ctx, http.MethodDelete, topicPath(topic)+"?force=true", nil, nil)
}

// DeletePartitionedTopic deletes a topic with all its partitions and whoever is connected to it.
func (a *Admin) DeletePartitionedTopic(ctx context.Context, topic string) error {
	return a.Do(ctx, http.MethodDelete, topicPath(topic)+"/partitions?force=true", nil, nil)
}

// TerminateTopic lets nothing more be published to a topic.
func (a *Admin) TerminateTopic(ctx context.Context, topic string) error {
	return a.Do(ctx, http.MethodPost, topicPath(topic)+"/terminate", nil, nil)
}

// UnloadTopic makes the broker drop all producers and consumers of a topic and open it anew, as when it moves to another
// broker.
func (a *Admin) UnloadTopic(ctx context.Context, topic string) error {
	return a.Do(ctx, http.MethodPut, topicPath(topic)+"/unload", nil, nil)
}

// CreateSubscription makes a durable subscription that begins after the last message.
func (a *Admin) CreateSubscription(ctx context.Context, topic, subscription string) error {
	return a.Do(ctx, http.MethodPut, topicPath(topic)+"/subscription/"+url.PathEscape(subscription), nil, nil)
}

// DeleteSubscription deletes a subscription and drops its consumers.
func (a *Admin) DeleteSubscription(ctx context.Context, topic, subscription string) error {
	return a.Do(ctx, http.MethodDelete, topicPath(topic)+"/subscription/"+url.PathEscape(subscription)+"?force=true", nil, nil)
}

// SetSchema gives a topic a schema, such as type "STRING" with an empty definition.
func (a *Admin) SetSchema(ctx context.Context, topic, schemaType, definition string) error {
	_, rest, _ := strings.Cut(topic, "://")
	schema := map[string]any{"type": schemaType, "schema": definition, "properties": map[string]string{}}
	return a.Do(ctx, http.MethodPost, "/admin/v2/schemas/"+rest+"/schema", schema, nil)
}

// TopicStats is what the broker knows about a topic, as far as tests ask.
type TopicStats struct {
	Publishers    []PublisherStats             `json:"publishers"`
	Subscriptions map[string]SubscriptionStats `json:"subscriptions"`
	MsgInCounter  int64                        `json:"msgInCounter"`
	BacklogSize   int64                        `json:"backlogSize"` // bytes
}

// PublisherStats describes a producer that is connected.
type PublisherStats struct {
	ProducerName string            `json:"producerName"`
	Metadata     map[string]string `json:"metadata"`
}

// SubscriptionStats describes a subscription.
type SubscriptionStats struct {
	Type              string          `json:"type"`
	MsgBacklog        int64           `json:"msgBacklog"` // entries that are not acknowledged, delivered or not
	MsgDelayed        int64           `json:"msgDelayed"`
	UnackedMessages   int64           `json:"unackedMessages"` // messages delivered and not acknowledged; Shared and Key_Shared
	Durable           bool            `json:"isDurable"`
	ActiveConsumer    string          `json:"activeConsumerName"`
	Consumers         []ConsumerStats `json:"consumers"`
	MsgOutCounter     int64           `json:"msgOutCounter"`
	RedeliverRate     float64         `json:"msgRateRedeliver"`
	NonContiguousAcks int64           `json:"nonContiguousDeletedMessagesRanges"`
}

// ConsumerStats describes a consumer that is connected.
type ConsumerStats struct {
	ConsumerName     string            `json:"consumerName"`
	AvailablePermits int64             `json:"availablePermits"`
	UnackedMessages  int64             `json:"unackedMessages"`
	Metadata         map[string]string `json:"metadata"`
}

// Stats tells about a topic without partitions, with its backlog counted exactly.
func (a *Admin) Stats(ctx context.Context, topic string) (TopicStats, error) {
	var s TopicStats
	err := a.Do(ctx, http.MethodGet, topicPath(topic)+"/stats?getPreciseBacklog=true", nil, &s)
	return s, err
}

// PartitionedStats tells about a partitioned topic as a whole, with its backlog counted exactly.
func (a *Admin) PartitionedStats(ctx context.Context, topic string) (TopicStats, error) {
	var s TopicStats
	err := a.Do(ctx, http.MethodGet, topicPath(topic)+"/partitioned-stats?getPreciseBacklog=true&perPartition=false", nil, &s)
	return s, err
}

// namespacePath is the path of a namespace. The old API serves the old names.
func namespacePath(namespace string) string {
	if strings.Count(namespace, "/") == 2 {
		return "/admin/namespaces/" + namespace
	}
	return "/admin/v2/namespaces/" + namespace
}

// topicPath is the path of a topic. The old API serves the old names.
func topicPath(topic string) string {
	domain, rest, _ := strings.Cut(topic, "://")
	if strings.Count(rest, "/") == 3 {
		return "/admin/" + domain + "/" + rest
	}
	return "/admin/v2/" + domain + "/" + rest
}

// ignoreConflict takes status 409, which says that the thing exists, for success.
func ignoreConflict(err error) error {
	if status := (*StatusError)(nil); errors.As(err, &status) && status.Code == http.StatusConflict {
		return nil
	}
	return err
}
