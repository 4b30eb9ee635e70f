package pulsar

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/login"
	"github.com/pulsegate/pulsegate/pulsar/wire"
	"github.com/pulsegate/pulsegate/test/port"
)

// TestServiceURLs has to pass over hosts that do not answer.
func TestServiceURLs(t *testing.T) {
	b := fakebroker.Start(t)
	publish(t, newClient(t, Options{ServiceURL: "pulsar://" + port.Deaf(t).String() + "," + strings.TrimPrefix(b.URL(), "pulsar://")}))
}

func TestParseService(t *testing.T) {
	for url, want := range map[string]string{
		"pulsar://a":                 "[a:6650] false false",
		"pulsar+ssl://a,b:1":         "[a:6651 b:1] false true",
		"pulsar://a:1,pulsar://b:2/": "[a:1 b:2] false false",
		"http://a":                   "[a:80] true false",
		"https://[::1]":              "[[::1]:443] true true",
		"pulsar://[::1]:7":           "[[::1]:7] false false",
		"a:6650":                     "error",
		"ftp://a":                    "error",
		"pulsar://":                  "error",
		"pulsar://a,,b":              "error",
		"pulsar://a/path":            "error",
		"pulsar://user@a":            "error",
	} {
		s, err := parseService(url)
		got := fmt.Sprint(s.hosts, s.http, s.tls)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: %s, not %s (%v)", url, got, want, err)
		}
	}
}

// TestServiceHostWithoutAnswer goes on to the next host when one takes connections and gives no answers, or none that helps.
func TestServiceHostWithoutAnswer(t *testing.T) {
	for name, answer := range map[string]func(c *fakebroker.Conn, request uint64){
		"silent": func(*fakebroker.Conn, uint64) {},
		"not ready": func(c *fakebroker.Conn, request uint64) {
			c.Send(&wire.Error{RequestID: request, Error: wire.ServiceNotReady})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad, good := fakebroker.Start(t), fakebroker.Start(t)
			good.TopicWatchers, bad.TopicWatchers = true, true
			bad.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
				switch cmd := cmd.(type) {
				case *wire.Lookup:
					answer(c, cmd.RequestID)
				case *wire.PartitionedMetadata:
					answer(c, cmd.RequestID)
				case *wire.WatchTopicList:
					answer(c, cmd.RequestID)
				default:
					return fakebroker.Handle
				}
				return fakebroker.Ignore
			}
			url := bad.URL() + "," + strings.TrimPrefix(good.URL(), "pulsar://")
			for what, ask := range map[string]func(c *Client, done func(error)){
				"a lookup": func(c *Client, done func(error)) {
					c.locate(&c.service, topic, "", func(_ broker, err error) { done(err) })
				},
				"partitions": func(c *Client, done func(error)) { c.Partitions(topic, "", func(_ int, err error) { done(err) }) },
			} {
				c := newClient(t, Options{ServiceURL: url, OperationTimeout: 300 * time.Millisecond})
				answers := make(chan error, 1)
				for n := 1; ; n++ {
					ask(c, func(err error) { answers <- err })
					if receive(t, what, answers) == nil {
						break
					}
					if n == 20 {
						t.Fatalf("%s is asked of the same host again and again", what)
					}
				}
			}
			c := newClient(t, Options{ServiceURL: url, OperationTimeout: 300 * time.Millisecond})
			openMatchingLate(t, c, "s")
			eventually(t, "the watcher", func() bool { return good.Watchers() == 1 })
		})
	}
}

// TestProxied has to come back to the service URL and name the broker there.
func TestProxied(t *testing.T) {
	b := fakebroker.Start(t)
	proxied := make(chan string, 10)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.Connect:
			proxied <- cmd.ProxyToBrokerURL
		case *wire.Lookup:
			r := &wire.LookupResponse{RequestID: cmd.RequestID, ProxyThroughServiceURL: true, Response: wire.LookupRedirect, Authoritative: true, BrokerServiceURL: "pulsar://one.invalid:1"}
			if cmd.Authoritative {
				r.Response, r.BrokerServiceURL = wire.LookupConnect, "pulsar://two.invalid:2"
			}
			if cmd.AdvertisedListenerName != "inside" {
				t.Errorf("LOOKUP: %+v", cmd)
			}
			c.Send(r)
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL(), ListenerName: "inside"})
	publish(t, c)
	for _, want := range []string{"", "one.invalid:1", "two.invalid:2"} {
		if got := receive(t, "a connection", proxied); got != want {
			t.Errorf("a connection for %q, not %q", got, want)
		}
	}
	// A broker that is told of may be out of reach.
	in := newInbox(t)
	in.permits.Permit(10)
	x := c.NewConsumer(topic, "s", &ConsumerOptions{Type: wire.Shared}, &in.permits, in)
	if err := receive(t, "the consumer", in.opened); err != nil {
		t.Fatal(err)
	}
	b.CloseConsumers(topic, "pulsar://three.invalid:3")
	eventually(t, "the consumer again", func() bool { in.mu.Lock(); defer in.mu.Unlock(); return len(in.events) == 2 && x.Connected() })
	for len(proxied) > 0 {
		t.Errorf("a connection for %q", <-proxied)
	}
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	if len(c.pool.warned) > 0 {
		t.Errorf("connections without the proxy: %v", c.pool.warned)
	}
}

// TestRedirectCircle has to end.
func TestRedirectCircle(t *testing.T) {
	b := fakebroker.Start(t)
	var lookups atomic.Int32
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if l, ok := cmd.(*wire.Lookup); ok {
			lookups.Add(1)
			c.Send(&wire.LookupResponse{RequestID: l.RequestID, Response: wire.LookupRedirect, BrokerServiceURL: b.URL()})
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	done := make(chan error, 1)
	c := newClient(t, Options{ServiceURL: b.URL()})
	c.locate(&c.service, topic, "", func(_ broker, err error) { done <- err })
	if err := receive(t, "an answer", done); err == nil || lookups.Load() != maxHops+1 {
		t.Errorf("%v after %d lookups", err, lookups.Load())
	}
}

// TestRequestTimeout asks a broker that does not answer.
func TestRequestTimeout(t *testing.T) {
	b := fakebroker.Start(t)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if cmd.Type() == wire.TypePartitionedMetadata {
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL(), OperationTimeout: time.Second})
	done := make(chan error, 1)
	c.Partitions(topic, "", func(_ int, err error) { done <- err })
	if err := receive(t, "an answer", done); !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	// One that waits when the client is closed is answered, too.
	c = newClient(t, Options{ServiceURL: b.URL()})
	c.Partitions(topic, "", func(_ int, err error) { done <- err })
	c.Close()
	if err := receive(t, "an answer", done); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	c.Partitions(topic, "", func(_ int, err error) { done <- err })
	if err := receive(t, "an answer", done); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestCloseWhileWaiting answers a question that waits to be put again.
func TestCloseWhileWaiting(t *testing.T) {
	c := newClient(t, Options{ServiceURL: "pulsar://" + port.Deaf(t).String(), MinBackoff: time.Hour, MaxBackoff: time.Hour, OperationTimeout: 24 * time.Hour})
	done := make(chan error, 1)
	c.Partitions(topic, "", func(_ int, err error) { done <- err })
	for deadline := time.Now().Add(patience); c.host.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the host is not found missing")
		}
	}
	c.Close()
	if err := receive(t, "an answer", done); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestHTTP looks topics up over HTTP, with the login, and tells statuses apart.
func TestHTTP(t *testing.T) {
	b := fakebroker.Start(t)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/lookup/v2/topic/persistent/public/default/t":
			if r.URL.Query().Get("listenerName") != "inside" {
				t.Error(r.URL)
			}
			_ = json.NewEncoder(w).Encode(map[string]string{"brokerUrl": b.URL(), "httpUrl": "http://x"})
		case "/admin/v2/persistent/public/default/t/partitions":
			_, _ = w.Write([]byte(`{"partitions":3}`))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer web.Close()
	c := newClient(t, Options{ServiceURL: web.URL, ListenerName: "inside", Login: login.Token(func() (string, error) { return "secret", nil })})
	publish(t, c)
	partitions := func(topic string) (int, error) {
		done := make(chan error, 1)
		n := 0
		c.Partitions(topic, "", func(m int, err error) { n = m; done <- err })
		return n, receive(t, "an answer", done)
	}
	if n, err := partitions(topic); n != 3 || err != nil {
		t.Error(n, err)
	}
	var e *Error
	if _, err := partitions("persistent://public/default/none"); !errors.As(err, &e) || e.Code != wire.TopicNotFound {
		t.Error(err)
	}
}

func TestRestPath(t *testing.T) {
	for in, want := range map[string]string{
		"persistent://a/b/c":             "persistent/a/b/c false",
		"non-persistent://a/b/c e?#":     "non-persistent/a/b/c%20e%3F%23 false",
		"persistent://prop/cluster/ns/t": "persistent/prop/cluster/ns/t true",
	} {
		path, old := restPath(in)
		if got := fmt.Sprint(path, " ", old); got != want {
			t.Errorf("%s: %s, not %s", in, got, want)
		}
	}
}
