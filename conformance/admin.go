package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sort"
	"time"
)

// TopicStats is the part of the admin API's topic statistics that cases look at.
type TopicStats struct {
	Subscriptions map[string]SubscriptionStats
}

// SubscriptionStats is the state of one subscription.
type SubscriptionStats struct {
	Type            string
	MsgBacklog      int
	UnackedMessages int
	Consumers       []ConsumerStats
}

// ConsumerStats is one upstream consumer of a subscription.
type ConsumerStats struct{ ConsumerName string }

// adminRequest performs one call of the admin API.
func (t *T) adminRequest(method, path, body string) (int, []byte) {
	req, err := http.NewRequestWithContext(t.ctx, method, t.Endpoint.Admin+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatalf("admin: %v", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if t.Endpoint.AdminToken != "" {
		req.Header.Set("Authorization", "Bearer "+t.Endpoint.AdminToken)
	}
	return t.roundTrip(req)
}

func (t *T) roundTrip(req *http.Request) (int, []byte) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: reading the answer: %v", req.Method, req.URL, err)
	}
	t.logf("%s %s -> %d %s", req.Method, req.URL.RequestURI(), resp.StatusCode, shorten(b))
	return resp.StatusCode, b
}

// Get reads a page of the server under test.
func (t *T) Get(path string) (int, []byte) {
	req, err := http.NewRequestWithContext(t.ctx, "GET", t.Endpoint.HTTP+path, nil)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	return t.roundTrip(req)
}

// admin performs a call that has to succeed. Brokers of Pulsar 2.10 refuse one that comes while another changes the
// same thing: it is made again, as long as the case may take.
func (t *T) admin(method, path, body string) []byte {
	status, answer := t.adminRequest(method, path, body)
	for status == http.StatusConflict && bytes.Contains(answer, []byte("Concurrent modification")) {
		status, answer = t.adminRequest(method, path, body)
	}
	if status < 200 || status > 299 {
		t.Fatalf("admin %s %s: status %d: %s", method, path, status, shorten(answer))
	}
	return answer
}

// Partition creates a partitioned topic.
func (t *T) Partition(topic Topic, partitions int) {
	t.admin("PUT", "/admin/v2/"+string(topic)+"/partitions", fmt.Sprint(partitions))
}

// Terminate ends a topic: it can be read but not written any more.
func (t *T) Terminate(topic Topic) {
	t.admin("POST", "/admin/v2/"+string(topic)+"/terminate", "")
}

// Stats reads a topic's statistics.
func (t *T) Stats(topic Topic) TopicStats {
	var s TopicStats
	b := t.admin("GET", "/admin/v2/"+string(topic)+"/stats", "")
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatalf("stats of %s: %v: %s", topic, err, shorten(b))
	}
	return s
}

// AwaitBacklog waits until a subscription has exactly n messages that are not
// acknowledged, delivered or not.
func (t *T) AwaitBacklog(topic Topic, sub string, n int) {
	t.Eventually(fmt.Sprintf("backlog of %s is %d", sub, n), func() bool {
		s, ok := t.Stats(topic).Subscriptions[sub]
		return ok && s.MsgBacklog == n
	})
}

// subscriptionNames lists a topic's subscriptions in order.
func (t *T) subscriptionNames(topic Topic) []string {
	var names []string
	for name := range t.Stats(topic).Subscriptions {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// AwaitBacklogSoon is AwaitBacklog for a case that Java fails: on Java it gives
// up after a few seconds so that the failure does not take the case's whole time.
func (t *T) AwaitBacklogSoon(topic Topic, sub string, n int) {
	if t.Kind != Java {
		t.AwaitBacklog(topic, sub, n)
		return
	}
	t.EventuallyWithin(3*time.Second, fmt.Sprintf("backlog of %s is %d", sub, n), func() bool {
		return t.Stats(topic).Subscriptions[sub].MsgBacklog == n
	})
}
