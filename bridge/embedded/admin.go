package embedded

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/pulsegate/pulsegate/bridge"
)

// Admin serves the few paths of Pulsar's admin REST API that trying out and
// tests need, with its status codes and JSON:
//
//	PUT    /admin/v2/tenants/{tenant}
//	PUT    /admin/v2/namespaces/{tenant}/{namespace}
//	PUT    /admin/v2/persistent/{tenant}/{namespace}/{topic}
//	PUT    …/{topic}/partitions        the body is the number
//	POST   …/{topic}/terminate
//	GET    …/{topic}/stats             and …/partitioned-stats
//	DELETE …/{topic}                   and …/{topic}/partitions; ?force=true
//
// and the same under /admin/ with property/cluster/namespace. non-persistent
// works in place of persistent. A topic's slashes are written %2F.
func (u *Upstream) Admin() http.Handler { return http.HandlerFunc(u.serveAdmin) }

// maxAdminBody bounds a request's body, in bytes.
const maxAdminBody = 64 << 10

func (u *Upstream) serveAdmin(w http.ResponseWriter, r *http.Request) {
	answer, err := u.administer(r)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case err != nil:
		w.WriteHeader(adminStatus(err))
		answer = map[string]string{"reason": err.Error()}
	case answer == nil:
		w.WriteHeader(http.StatusNoContent)
		return
	}
	// The client is gone if this fails.
	_ = json.NewEncoder(w).Encode(answer)
}

var errAdminPath = errors.New("no such path in the embedded upstream's admin API")

func adminStatus(err error) int {
	switch {
	case errors.Is(err, bridge.ErrNotFound), errors.Is(err, errAdminPath):
		return http.StatusNotFound
	case errors.Is(err, bridge.ErrInvalid), errors.Is(err, errConnected):
		return http.StatusPreconditionFailed
	case errors.Is(err, bridge.ErrBusy):
		return http.StatusConflict
	case errors.Is(err, bridge.ErrMemoryFull):
		return http.StatusInsufficientStorage
	}
	return http.StatusInternalServerError
}

// administer carries out one request. The answer is nil if there is no more to say than that it worked.
func (u *Upstream) administer(r *http.Request) (answer any, err error) {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/admin/")
	if !ok {
		return nil, errAdminPath
	}
	parts := strings.Split(strings.TrimSuffix(path, "/"), "/")
	for i := range parts {
		if parts[i], err = url.PathUnescape(parts[i]); err != nil {
			return nil, errorf(bridge.ErrInvalid, "path %s: %v", r.URL.EscapedPath(), err)
		}
	}
	names := 3 // property, cluster and namespace
	if parts[0] == "v2" {
		parts, names = parts[1:], 2
	}
	if len(parts) < 2 {
		return nil, errAdminPath
	}
	switch kind, rest := parts[0], parts[1:]; kind {
	case "tenants", "properties":
		if r.Method != http.MethodPut || len(rest) != 1 {
			return nil, errAdminPath
		}
		return nil, u.CreateTenant(rest[0])
	case "namespaces":
		if r.Method != http.MethodPut || len(rest) != names {
			return nil, errAdminPath
		}
		return nil, u.CreateNamespace(strings.Join(rest, "/"))
	case "persistent", "non-persistent":
		if len(rest) <= names {
			return nil, errAdminPath
		}
		full := kind + "://" + strings.Join(rest[:names+1], "/")
		return u.administerTopic(r, full, strings.Join(rest[names+1:], "/"))
	}
	return nil, errAdminPath
}

func (u *Upstream) administerTopic(r *http.Request, full, what string) (any, error) {
	switch r.Method + " " + what {
	case "PUT ":
		return nil, u.CreateTopic(full)
	case "PUT partitions":
		body, err := io.ReadAll(io.LimitReader(r.Body, maxAdminBody))
		if err != nil {
			return nil, errorf(bridge.ErrInvalid, "reading the number of partitions: %v", err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(body)))
		if err != nil {
			return nil, errorf(bridge.ErrInvalid, "the number of partitions: %v", err)
		}
		return nil, u.CreatePartitionedTopic(full, n)
	case "POST terminate", "POST terminate/partitions":
		id, err := u.Terminate(full)
		if err != nil {
			return nil, err
		}
		return map[string]int64{"ledgerId": id.LedgerID, "entryId": id.EntryID, "partitionIndex": int64(id.Partition)}, nil
	case "GET stats", "GET partitioned-stats":
		st, err := u.TopicStats(full)
		if err != nil {
			return nil, err
		}
		return statsJSON(&st), nil
	case "DELETE ", "DELETE partitions":
		err := u.DeleteTopic(full, r.URL.Query().Get("force") == "true")
		if errors.Is(err, bridge.ErrBusy) {
			err = errors.Join(errConnected, err)
		}
		return nil, err
	}
	return nil, errAdminPath
}

var errConnected = errors.New("the topic is in use")

type adminStats struct {
	Publishers    []adminPublisher             `json:"publishers"`
	Subscriptions map[string]adminSubscription `json:"subscriptions"`
}

type adminPublisher struct {
	ProducerName string `json:"producerName"`
}

type adminSubscription struct {
	MsgBacklog      int64           `json:"msgBacklog"`
	UnackedMessages int64           `json:"unackedMessages"`
	Type            string          `json:"type"`
	Durable         bool            `json:"isDurable"`
	Consumers       []adminConsumer `json:"consumers"`
}

type adminConsumer struct {
	ConsumerName     string `json:"consumerName"`
	AvailablePermits int    `json:"availablePermits"`
	UnackedMessages  int    `json:"unackedMessages"`
}

func statsJSON(st *TopicStats) adminStats {
	out := adminStats{Publishers: []adminPublisher{}, Subscriptions: map[string]adminSubscription{}}
	for _, name := range st.Producers {
		out.Publishers = append(out.Publishers, adminPublisher{name})
	}
	for name, s := range st.Subscriptions {
		sub := adminSubscription{
			MsgBacklog: s.Backlog, UnackedMessages: s.Unacked, Type: s.Type.String(), Durable: s.Durable,
			Consumers: []adminConsumer{},
		}
		for _, c := range s.Consumers {
			sub.Consumers = append(sub.Consumers, adminConsumer{c.Name, c.Permits, c.Unacked})
		}
		out.Subscriptions[name] = sub
	}
	return out
}
