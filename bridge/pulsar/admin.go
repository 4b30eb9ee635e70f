package pulsar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	client "github.com/pulsegate/pulsegate/pulsar"
	"github.com/pulsegate/pulsegate/pulsar/login"
)

// admin asks the cluster's admin API what the binary protocol cannot. A nil
// one knows nothing.
type admin struct {
	hosts   []string     // URLs without a slash at the end
	working atomic.Int32 // index of the one that answered last
	asProxy bool         // see [Options.AsProxy]
	http    *http.Client
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

// statusError is an answer of the admin API that is no success.
type statusError struct {
	status int
	reason string
}

func (e *statusError) Error() string { return fmt.Sprintf("admin API: %d %s", e.status, e.reason) }

// newAdmin returns nil when no admin URL is known.
func newAdmin(o *Options, as login.Login) (*admin, error) {
	if o.AdminURL == "" {
		return nil, nil
	}
	if _, err := o.TLS.config(as.Certificate); err != nil {
		return nil, fmt.Errorf("TLS towards the admin API: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialTLSContext = o.TLS.dial(as.Certificate)
	web := &http.Client{Transport: login.Over(transport, as), Timeout: o.OperationTimeout}
	return &admin{hosts: adminHosts(o.AdminURL), asProxy: o.AsProxy, http: web}, nil
}

// adminHosts splits http://a:8080,b:8080 into one URL for each host.
func adminHosts(adminURL string) []string {
	scheme, list, _ := strings.Cut(strings.TrimSuffix(adminURL, "/"), "://")
	list, path, _ := strings.Cut(list, "/")
	if path != "" {
		path = "/" + path
	}
	var hosts []string
	for host := range strings.SplitSeq(list, ",") {
		hosts = append(hosts, scheme+"://"+strings.TrimSpace(host)+path)
	}
	return hosts
}

func (a *admin) close() {
	if a != nil {
		a.http.CloseIdleConnections()
	}
}

// get makes a request; out may be nil. Any broker can answer, so when one does
// not the next is asked, and later requests begin with the one that did.
func (a *admin) get(ctx context.Context, path string, out any) error {
	var resp *http.Response
	first := int(a.working.Load())
	for i := range a.hosts {
		host := (first + i) % len(a.hosts)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.hosts[host]+path, nil)
		if err != nil {
			return err
		}
		if a.asProxy {
			req.Header.Set(client.PrincipalHeader, client.WebSocketPrincipal)
		}
		if resp, err = a.http.Do(req); err == nil {
			a.working.Store(int32(host))
			break
		}
		if i == len(a.hosts)-1 || ctx.Err() != nil {
			return fmt.Errorf("admin API: %w", err)
		}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("admin API: %w", err)
	}
	if resp.StatusCode >= 300 {
		var fault struct {
			Reason string `json:"reason"`
		}
		_ = json.Unmarshal(body, &fault)
		return &statusError{resp.StatusCode, oneLine(fault.Reason)}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(body, out)
}

// HasAdmin reports whether the admin API's address is known.
func (u *Upstream) HasAdmin() bool { return u.admin != nil }

// AdminGet reads what is at a path of the admin API, such as
// /admin/v2/tenants/public, into out. found is false if there is nothing.
func (u *Upstream) AdminGet(ctx context.Context, path string, out any) (found bool, err error) {
	if u.admin == nil {
		return false, errors.New("the address of the admin API is not known")
	}
	err = u.admin.get(ctx, path, out)
	if status := (*statusError)(nil); errors.As(err, &status) && status.status == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

// topicPath is where a topic's resources are, v1 or v2.
func topicPath(topic string) string {
	domain, rest, _ := strings.Cut(topic, "://")
	parts := strings.SplitN(rest, "/", 3)
	version := "/admin/v2/"
	if len(parts) == 3 && strings.Contains(parts[2], "/") {
		// property/cluster/namespace/topic; a v2 topic that holds a slash looks
		// the same to Pulsar too.
		parts = strings.SplitN(rest, "/", 4)
		version = "/admin/"
	}
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return version + domain + "/" + strings.Join(parts, "/")
}
