package pulsar

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/login"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// maxHops bounds how many redirections a lookup follows.
const maxHops = 20

// ask is a question to the service that is put again while its failure may pass, until
// OperationTimeout is over.
type ask struct {
	client    *Client
	principal string // on whose behalf it is put
	once      func(done func(error))
	done      func(error)

	deadline time.Time
	wait     backoff
	again    alarm
}

func (c *Client) ask(principal string, once func(done func(error)), done func(error)) {
	a := &ask{client: c, principal: principal, once: once, done: done, deadline: time.Now().Add(c.o.OperationTimeout)}
	a.again.ring = a.try
	if err := enter(c, c.asks, a, principal); err != nil {
		done(err)
		return
	}
	a.try()
}

func (a *ask) try() {
	a.once(func(err error) {
		wait := a.wait.next(&a.client.o)
		if err == nil || isRefusal(err) || time.Now().Add(wait).After(a.deadline) {
			a.finish(err)
			return
		}
		a.client.alarms.set(&a.again, wait)
	})
}

// finish tells the outcome, unless that was done. It leaves the principal when that is told: who opens something on the answer has entered it then, and
// its connections stay.
func (a *ask) finish(err error) {
	if forget(a.client, a.client.asks, a) {
		a.done(err)
		a.client.principals.leave(a.principal)
	}
}

// serviceHost is the service's host to ask now. When it has failed, missed, given turn, makes it the next one; once,
// however many find that out. A host that answers that it cannot, or not at all, has failed too: the others may know more.
func (c *Client) serviceHost(s *service) (host string, turn uint32) {
	turn = c.host.Load()
	return s.hosts[int(turn)%len(s.hosts)], turn
}

func (c *Client) missed(turn uint32) { c.host.CompareAndSwap(turn, turn+1) }

// missedIf is missed for an answer that another host may not give.
func (c *Client) missedIf(err error, turn uint32) {
	if err != nil && !isRefusal(err) {
		c.missed(turn)
	}
}

// Partitions asks on behalf of principal, see [ProducerOptions.Principal], how many partitions a topic has; 0: it has none. It makes the broker
// create the topic where topics are created by themselves. done is called once.
func (c *Client) Partitions(topic, principal string, done func(n int, err error)) {
	var n int
	c.askService(principal, 0, func() error {
		var answer struct{ Partitions int }
		path, old := restPath(topic)
		if path = "/admin/v2/" + path; old {
			path = strings.Replace(path, "/v2", "", 1)
		}
		err := c.get(path+"/partitions?checkAllowAutoCreation=true", principal, &answer)
		n = answer.Partitions
		return err
	}, func(id uint64) wire.Command {
		return &wire.PartitionedMetadata{Topic: topic, RequestID: id}
	}, func(cmd wire.Command) bool {
		answer, ok := cmd.(*wire.PartitionedMetadataResponse)
		if ok {
			n = int(answer.Partitions)
		}
		return ok
	}, func(err error) {
		if err != nil {
			done(0, err)
			return
		}
		done(n, nil)
	})
}

// askService asks the cluster at the address that it is looked up at: by get over HTTP, else by a
// request over the connection of a slot, of whose answer take reports whether it is of the right type. done is called once. With an
// error that may be on another goroutine than the one that has an answer just then.
func (c *Client) askService(principal string, slot int, get func() error, build func(id uint64) wire.Command, take func(wire.Command) bool, done func(error)) {
	c.ask(principal, func(done func(error)) {
		if c.service.http {
			if !c.spawn(func() { done(get()) }) {
				done(ErrClosed)
			}
			return
		}
		host, turn := c.serviceHost(&c.service)
		c.pool.get(connKey{broker{host: host, tls: c.service.tls}, principal, slot}, func(conn *conn, err error) {
			if err != nil {
				c.missed(turn)
				done(err)
				return
			}
			conn.request(build, func(cmd wire.Command, err error) {
				if !take(cmd) && err == nil {
					err = unexpected(cmd)
				}
				c.missedIf(err, turn)
				done(err)
			})
		})
	}, done)
}

// unexpected is an answer of a wrong type.
func unexpected(cmd wire.Command) error { return fmt.Errorf("a broker answered with %s", cmd.Name()) }

// locate asks once, for one of the principal's users, which broker serves a topic. done is called once.
func (c *Client) locate(s *service, topic, principal string, done func(broker, error)) {
	if s.http {
		if !c.spawn(func() { done(c.locateHTTP(s, topic, principal)) }) {
			done(broker{}, ErrClosed)
		}
		return
	}
	l := &lookup{client: c, service: s, topic: topic, principal: principal, done: done}
	l.host, l.turn = c.serviceHost(s)
	l.hop(broker{host: l.host, tls: s.tls}, false)
}

// lookup follows redirections.
type lookup struct {
	client    *Client
	service   *service
	host      string // the service's
	turn      uint32
	topic     string
	principal string
	done      func(broker, error)
	hops      int
}

func (l *lookup) hop(to broker, authoritative bool) {
	c := l.client
	fail := func(err error) {
		if to.host == l.host && to.proxyTo == "" {
			c.missedIf(err, l.turn)
		}
		l.done(broker{}, err)
	}
	c.pool.get(connKey{to, l.principal, 0}, func(conn *conn, err error) {
		if err != nil {
			fail(err)
			return
		}
		conn.request(func(id uint64) wire.Command {
			return &wire.Lookup{Topic: l.topic, RequestID: id, Authoritative: authoritative, AdvertisedListenerName: c.o.ListenerName}
		}, func(cmd wire.Command, err error) {
			answer, ok := cmd.(*wire.LookupResponse)
			if err == nil && !ok {
				err = unexpected(cmd)
			}
			var next broker
			if err == nil {
				next, err = l.broker(answer)
			}
			switch {
			case err != nil:
				fail(err)
			case answer.Response == wire.LookupConnect:
				l.done(next, nil)
			case l.hops == maxHops:
				l.done(broker{}, fmt.Errorf("look up %s: more than %d redirections", l.topic, maxHops))
			default:
				l.hops++
				l.hop(next, answer.Authoritative)
			}
		})
	})
}

// broker is the one that an answer names.
func (l *lookup) broker(a *wire.LookupResponse) (broker, error) {
	b, err := parseBroker(pickURL(l.service.tls, a.BrokerServiceURL, a.BrokerServiceURLTLS), l.service.tls)
	if err == nil && a.ProxyThroughServiceURL && b.host != l.host { // a standalone broker says so of itself
		b.host, b.proxyTo = l.host, b.host
	}
	return b, err
}

// pickURL is the one of a broker's two URLs that is of the kind that is used.
func pickURL(tls bool, plain, encrypted string) string {
	if tls {
		return encrypted
	}
	return plain
}

// parseBroker reads what a broker says is the URL of one.
func parseBroker(url string, tls bool) (broker, error) {
	s, err := parseService(url)
	if err == nil && (s.http || s.tls != tls || len(s.hosts) != 1) {
		err = errors.New("not one address of the kind that is used")
	}
	if err != nil {
		return broker{}, fmt.Errorf("the URL of a broker, %q: %w", url, err)
	}
	return broker{host: s.hosts[0], tls: tls}, nil
}

// locateHTTP is locate over HTTP, which follows redirections by itself.
func (c *Client) locateHTTP(s *service, topic, principal string) (broker, error) {
	var answer struct{ BrokerURL, BrokerURLTLS string }
	path, old := restPath(topic)
	if path = "/lookup/v2/topic/" + path; old {
		path = strings.Replace(path, "topic", "destination", 1)
	}
	if c.o.ListenerName != "" {
		path += "?listenerName=" + url.QueryEscape(c.o.ListenerName)
	}
	if err := c.get(path, principal, &answer); err != nil {
		return broker{}, err
	}
	if s.tls {
		return parseBroker(answer.BrokerURLTLS, true)
	}
	return parseBroker(answer.BrokerURL, false)
}

// restPath is a topic's name in paths: persistent/tenant/namespace/topic. old tells a name of the old form, with
// a cluster in it, for which there are paths of their own.
func restPath(topic string) (path string, old bool) {
	domain, rest, _ := strings.Cut(topic, "://")
	parts := strings.SplitN(rest, "/", 4)
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return domain + "/" + strings.Join(parts, "/"), len(parts) == 4
}

// newWeb makes the client for lookups over HTTP. Certificates are read for each connection, as for those to brokers.
func (c *Client) newWeb() *http.Client {
	transport := &http.Transport{
		MaxConnsPerHost: 16 * c.o.ConnectionsPerBroker, IdleConnTimeout: time.Minute,
		DialContext: (&net.Dialer{Timeout: c.o.ConnectionTimeout}).DialContext,
		DialTLSContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, c.o.ConnectionTimeout)
			defer cancel()
			return c.dialTLS(ctx, addr)
		},
	}
	web := &http.Client{Timeout: c.o.OperationTimeout, Transport: login.Over(transport, c.o.Login)}
	return web
}

// PrincipalHeader names in a request over HTTP on whose behalf it is.
const PrincipalHeader = "X-Original-Principal"

// get asks the service over HTTP.
func (c *Client) get(path, principal string, answer any) error {
	scheme := "http://"
	if c.service.tls {
		scheme = "https://"
	}
	host, turn := c.serviceHost(&c.service)
	req, err := http.NewRequestWithContext(c.ctx, http.MethodGet, scheme+host+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	if principal != "" {
		req.Header.Set(PrincipalHeader, principal)
	}
	resp, err := c.web.Do(req)
	if err != nil {
		if ctxErr := context.Cause(c.ctx); ctxErr != nil {
			return ErrClosed
		}
		c.missed(turn)
		return fmt.Errorf("%w: %w", ErrConnection, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxListing))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConnection, err)
	}
	if resp.StatusCode != http.StatusOK {
		err := brokerError(webError(resp.StatusCode, text), fmt.Sprintf("status %d: %s", resp.StatusCode, text))
		c.missedIf(err, turn)
		return err
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("the answer to a lookup: %w", err)
	}
	return nil
}

// webError is what a status means. Brokers say 401 also to somebody whom they know, and who may not do what he asks for.
func webError(status int, text []byte) wire.ServerError {
	switch status {
	case http.StatusUnauthorized:
		if bytes.Contains(text, []byte("Unauthorized to validate")) {
			return wire.AuthorizationError
		}
		return wire.AuthenticationError
	case http.StatusForbidden:
		return wire.AuthorizationError
	case http.StatusNotFound:
		return wire.TopicNotFound
	case http.StatusTooManyRequests:
		return wire.TooManyRequests
	case http.StatusServiceUnavailable, http.StatusTemporaryRedirect:
		return wire.ServiceNotReady
	case http.StatusPreconditionFailed:
		return wire.InvalidTopicName
	}
	return wire.UnknownError
}
