package pulsar

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// gone waits until the broker has no connection on a principal's behalf.
func gone(t *testing.T, b *fakebroker.Broker, principal string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		n := 0
		for _, c := range b.Conns() {
			if c.Principal() == principal {
				n++
			}
		}
		if n == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d connections of %q are left", n, principal)
		}
	}
}

// TestPrincipals has each role's producers, consumers and questions on a connection of its own.
func TestPrincipals(t *testing.T) {
	b := fakebroker.Start(t)
	b.Topics, b.TopicWatchers = []string{topic}, true
	var connects atomic.Int32
	owners := map[string]string{"t-": "", "t-alice": "alice", "t-bob": "bob"}
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		where, what := c.Connect.OriginalPrincipal, ""
		switch cmd := cmd.(type) {
		case *wire.Connect:
			connects.Add(1)
			if cmd.OriginalAuthData != "" || cmd.OriginalAuthMethod != "" {
				t.Errorf("CONNECT: %+v", cmd)
			}
			return fakebroker.Handle
		case *wire.Lookup:
			what = cmd.Topic
		case *wire.PartitionedMetadata:
			what = cmd.Topic
		case *wire.Producer:
			what = cmd.Topic
		case *wire.Subscribe:
			what = cmd.Topic
		case *wire.WatchTopicList:
			what = topic + "-" + strings.TrimPrefix(cmd.Namespace, "public/")
		case *wire.GetTopics:
			what = topic + "-" + strings.TrimPrefix(cmd.Namespace, "public/")
		default:
			return fakebroker.Handle
		}
		if want, ok := owners[what[strings.LastIndex(what, "/")+1:]]; !ok || want != where {
			t.Errorf("%s about %s comes over the connection of %q", cmd.Name(), what, where)
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL(), PrincipalIdle: time.Millisecond})
	for range 2 {
		for _, role := range []string{"", "alice", "bob"} {
			name := topic + "-" + role
			p := openPublisher(t, c, ProducerOptions{Topic: name, Principal: role}, Routing{})
			l := newLedger(t)
			l.send(p, name)
			l.wait()
			if err := l.err(name); err != nil {
				t.Error(err)
			}
			x := newListener()
			g := c.OpenGroup(Selection{Namespace: "public/" + role, Match: func(string) bool { return false }}, "s", &ConsumerOptions{Principal: role}, &Permits{}, x)
			if err := receive(t, "the group", x.opened); err != nil {
				t.Error(err)
			}
			y := newListener()
			h := c.OpenGroup(Selection{Topics: []string{name}}, "s", &ConsumerOptions{Principal: role}, &Permits{}, y)
			if err := receive(t, "the group", y.opened); err != nil {
				t.Error(err)
			}
			for _, end := range []func(func()){p.Close, g.Close, h.Close} {
				closed := make(chan struct{})
				end(func() { close(closed) })
				receive(t, "the end", closed)
			}
		}
		gone(t, b, "alice")
		gone(t, b, "bob")
	}
	if n := connects.Load(); n != 10 {
		t.Errorf("%d connections, not one and one for listings of the login, and twice those of each role", n)
	}
}

// TestPrincipalOfAQuestion is there until who has asked has the answer: what he opens then is over the same connection.
func TestPrincipalOfAQuestion(t *testing.T) {
	c := newClient(t, Options{ServiceURL: fakebroker.Start(t).URL()})
	answered := make(chan error, 1)
	c.Partitions(topic, "alice", func(_ int, err error) {
		if used, _ := c.Principals(); used != 1 {
			t.Errorf("%d principals are used when the answer comes", used)
		}
		answered <- err
	})
	if err := receive(t, "the answer", answered); err != nil {
		t.Error(err)
	}
	eventually(t, "the end of its use", func() bool { used, _ := c.Principals(); return used == 0 })
}

// listener is a GroupHandler that only knows whether it was opened.
type listener struct{ opened chan error }

func newListener() *listener { return &listener{make(chan error, 1)} }

func (l *listener) Opened(_ *Group, err error)   { l.opened <- err }
func (l *listener) Deliver(*Consumer, *Received) {}
func (l *listener) Tell(*Consumer, Event)        {}
func (l *listener) Ended(*Group, error)          {}

// TestPrincipalsWatch has a watcher on a namespace for each role, and shows an operator whose connections there are.
func TestPrincipalsWatch(t *testing.T) {
	b := fakebroker.Start(t)
	b.TopicWatchers = true
	watchers := make(chan string, 10)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if _, is := cmd.(*wire.WatchTopicList); is {
			watchers <- c.Connect.OriginalPrincipal
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL(), PrincipalIdle: time.Millisecond})
	shown := func() (of []string) {
		for _, s := range c.Connections() {
			of = append(of, s.State+" "+s.Principal)
		}
		return of
	}
	var groups []*Group
	for _, role := range []string{"", "alice", "bob"} {
		x := newListener()
		g := c.OpenGroup(Selection{Namespace: "public/default", Match: func(string) bool { return false }}, "s", &ConsumerOptions{Principal: role}, &Permits{}, x)
		if err := receive(t, "the group", x.opened); err != nil {
			t.Fatal(err)
		}
		if of := receive(t, "a watcher", watchers); of != role {
			t.Errorf("the watcher for %q is on a connection of %q", role, of)
		}
		groups = append(groups, g)
	}
	if of := shown(); !slices.Equal(of, []string{"up ", "up alice", "up bob"}) {
		t.Errorf("the connections are %q", of)
	}
	for _, g := range groups {
		g.Close(nil)
	}
	eventually(t, "nobody's connections are closed and forgotten", func() bool { return slices.Equal(shown(), []string{"up "}) })
	if n := c.ConnCounts(); n.Lost.Sum() != 0 {
		t.Errorf("%+v", n)
	}
}

// TestTooManyPrincipals has place for two. That of a role which nobody uses is given to the next.
func TestTooManyPrincipals(t *testing.T) {
	b := fakebroker.Start(t)
	c := newClient(t, Options{ServiceURL: b.URL(), MaxPrincipals: 2, PrincipalIdle: time.Hour})
	p, _ := openProducer(t, c, ProducerOptions{Topic: topic, Principal: "alice"})
	if used, most := c.Principals(); used != 1 || most != 2 {
		t.Errorf("%d of %d", used, most)
	}
	if err := c.Hold("bob", Credentials{}); err != nil {
		t.Fatal(err)
	}
	openProducer(t, c, ProducerOptions{Topic: topic, Principal: "bob"})
	if used, _ := c.Principals(); used != 2 {
		t.Errorf("%d are used", used)
	}
	refused := func() {
		t.Helper()
		w, x := newWatcher(), newListener()
		c.NewProducer(ProducerOptions{Topic: topic, Principal: "carol"}, producerOwner{w})
		c.OpenGroup(Selection{Topics: []string{topic}}, "s", &ConsumerOptions{Principal: "carol"}, &Permits{}, x)
		y := newListener()
		c.OpenGroup(Selection{Namespace: "public/default", Match: func(string) bool { return false }}, "s", &ConsumerOptions{Principal: "carol"}, &Permits{}, y)
		for _, err := range []error{receive(t, "an answer", w.opened), receive(t, "an answer", x.opened), receive(t, "an answer", y.opened), c.Hold("carol", Credentials{})} {
			if !errors.Is(err, ErrTooManyPrincipals) {
				t.Errorf("a third role: %v", err)
			}
		}
	}
	refused()
	openProducer(t, c, ProducerOptions{Topic: topic}) // the login itself has place
	closed := make(chan struct{})
	p.Close(func() { close(closed) })
	receive(t, "the end", closed)
	openProducer(t, c, ProducerOptions{Topic: topic, Principal: "carol"})
	gone(t, b, "alice")
	if used, _ := c.Principals(); used != 2 {
		t.Errorf("bob and carol are there, and %d are used", used)
	}
	c.Release("bob") // its producer is still there
	w := newWatcher()
	c.NewProducer(ProducerOptions{Topic: topic, Principal: "alice"}, producerOwner{w})
	if err := receive(t, "an answer", w.opened); !errors.Is(err, ErrTooManyPrincipals) {
		t.Error(err)
	}
}

// TestCredentials hands on what roles have shown, and newer ones when the broker asks.
func TestCredentials(t *testing.T) {
	b := fakebroker.Start(t)
	hello := make(chan wire.Connect, 10)
	responses := make(chan string, 10)
	asked := make(chan struct{}, 10)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.Connect:
			hello <- *cmd
		case *wire.AuthResponse:
			responses <- c.Connect.OriginalPrincipal + " " + cmd.Response.AuthMethodName + " " + string(cmd.Response.AuthData)
			return fakebroker.Ignore
		case *wire.Send:
			c.Send(&wire.AuthChallenge{})
			c.Send(&wire.Ping{}) // its answer comes after the challenge was read
		case *wire.Pong:
			asked <- struct{}{}
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL(), ConnectionsPerBroker: 1})
	soon, late := time.Now().Add(time.Minute), time.Now().Add(time.Hour)
	for _, k := range []Credentials{{"token", "first", soon}, {"token", "sooner", soon.Add(-time.Second)}, {"tls", "", time.Time{}}} {
		if err := c.Hold("alice", k); err != nil {
			t.Fatal(err)
		}
	}
	p, w := openProducer(t, c, ProducerOptions{Topic: topic, Principal: "alice"})
	if got := receive(t, "CONNECT", hello); got.OriginalPrincipal != "alice" || got.OriginalAuthMethod != "token" || got.OriginalAuthData != "first" {
		t.Errorf("CONNECT: %+v", got)
	}
	l := newLedger(t)
	l.send(p, "the broker asks")
	l.wait()
	receive(t, "the broker's question", asked)
	c.Renew("alice", Credentials{"token", "sooner", soon.Add(-time.Second)})
	c.Renew("bob", Credentials{"token", "of another", late})
	c.Renew("alice", Credentials{"token", "second", late})
	if got := receive(t, "AUTH_RESPONSE", responses); got != "alice token second" {
		t.Errorf("AUTH_RESPONSE: %s", got)
	}
	c.Renew("alice", Credentials{"token", "third", late.Add(time.Hour)}) // nobody asks for it yet
	answered := make(chan error, 1)
	c.Partitions(topic, "alice", func(_ int, err error) { answered <- err })
	if err := receive(t, "an answer behind that", answered); err != nil || len(responses) > 0 {
		t.Errorf("%v, and the broker is given %d credentials that it did not ask for", err, len(responses))
	}
	l.send(p, "it asks again")
	l.wait()
	if got := receive(t, "AUTH_RESPONSE", responses); got != "alice token third" {
		t.Errorf("AUTH_RESPONSE: %s", got)
	}
	receive(t, "the broker's question", asked) // behind all that the client had to say
	select {
	case err := <-w.ended:
		t.Error(err)
	case got := <-responses:
		t.Errorf("AUTH_RESPONSE: %s", got)
	default:
	}
}

// TestRefusedCredentials has to take others, whatever they are, in the place of those that a broker refuses.
func TestRefusedCredentials(t *testing.T) {
	b := fakebroker.Start(t)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if cmd, ok := cmd.(*wire.Connect); ok && cmd.OriginalAuthData != "good" {
			c.Send(&wire.Error{Error: wire.AuthenticationError, Message: "Failed to authenticate"})
			return fakebroker.Drop
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	if err := c.Hold("alice", Credentials{"token", "revoked", time.Time{}}); err != nil {
		t.Fatal(err)
	}
	w := newWatcher()
	c.NewProducer(ProducerOptions{Topic: topic, Principal: "alice"}, producerOwner{w})
	var e *Error
	if err := receive(t, "an answer", w.opened); !errors.As(err, &e) || e.Code != wire.AuthenticationError || strings.Contains(err.Error(), "revoked") {
		t.Error(err)
	}
	c.Renew("alice", Credentials{"token", "good", time.Now().Add(time.Minute)})
	openProducer(t, c, ProducerOptions{Topic: topic, Principal: "alice"})
}

// TestRenewedWhileOpening must not refuse somebody because of the credentials that his have replaced.
func TestRenewedWhileOpening(t *testing.T) {
	b := fakebroker.Start(t)
	arrived, renewed := make(chan struct{}, 1), make(chan struct{})
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if cmd, ok := cmd.(*wire.Connect); ok && cmd.OriginalAuthData == "old" {
			arrived <- struct{}{}
			<-renewed
			c.Send(&wire.Error{Error: wire.AuthenticationError, Message: "Failed to authenticate"})
			return fakebroker.Drop
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	if err := c.Hold("alice", Credentials{"token", "old", time.Now()}); err != nil {
		t.Fatal(err)
	}
	w := newWatcher()
	c.NewProducer(ProducerOptions{Topic: topic, Principal: "alice"}, producerOwner{w})
	receive(t, "CONNECT", arrived)
	c.Renew("alice", Credentials{"token", "new", time.Time{}})
	close(renewed)
	if err := receive(t, "the producer", w.opened); err != nil {
		t.Error(err)
	}
}

// TestDenied ends the producer of a role that has lost its permission. The login's own goes on trying.
func TestDenied(t *testing.T) {
	b := fakebroker.Start(t)
	denied := map[string]*atomic.Bool{"": {}, "alice": {}} // the one goes on trying while the other opens
	tried := make(chan string, 1000)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.Lookup:
			if denied[c.Connect.OriginalPrincipal].Load() {
				tried <- c.Connect.OriginalPrincipal
				c.Send(&wire.LookupResponse{RequestID: cmd.RequestID, Response: wire.LookupFailed, Error: wire.AuthorizationError, HasError: true, Message: "Client is not authorized to Lookup"})
				return fakebroker.Ignore
			}
		case *wire.Send:
			denied[c.Connect.OriginalPrincipal].Store(true)
			c.Send(&wire.CloseProducer{ProducerID: cmd.ProducerID})
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	for _, role := range []string{"", "alice"} {
		p, w := openProducer(t, c, ProducerOptions{Topic: topic, Principal: role})
		l := newLedger(t)
		l.send(p, "x")
		for receive(t, "an attempt", tried) != role {
		}
		if role == "" {
			for range 3 {
				receive(t, "one more attempt", tried)
			}
			select {
			case err := <-w.ended:
				t.Errorf("the login's own producer has ended: %v", err)
			default:
			}
			continue
		}
		var e *Error
		if err := receive(t, "the end", w.ended); !errors.As(err, &e) || e.Code != wire.AuthorizationError {
			t.Error(err)
		}
		l.wait()
		if err := l.err("x"); !errors.As(err, &e) || e.Code != wire.AuthorizationError {
			t.Error(err)
		}
	}
}

// TestInvalidRoles has a broker that does not take the login for a proxy's.
func TestInvalidRoles(t *testing.T) {
	b := fakebroker.Start(t)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if cmd, ok := cmd.(*wire.Connect); ok && cmd.OriginalPrincipal != "" {
			c.Send(&wire.Error{Error: wire.AuthorizationError, Message: "Invalid roles."})
			return fakebroker.Drop
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	w := newWatcher()
	c.NewProducer(ProducerOptions{Topic: topic, Principal: "alice"}, producerOwner{w})
	if err := receive(t, "an answer", w.opened); err == nil || !strings.Contains(err.Error(), "Invalid roles.") || !strings.Contains(err.Error(), "proxyRoles") {
		t.Error(err)
	}
	publish(t, c)
}

// TestReservedPrincipal must not let a client pass for the login.
func TestReservedPrincipal(t *testing.T) {
	c := newClient(t, Options{ServiceURL: fakebroker.Start(t).URL()})
	const name = "__websocket_dummy_original_principle"
	w := newWatcher()
	c.NewProducer(ProducerOptions{Topic: topic, Principal: name}, producerOwner{w})
	for _, err := range []error{receive(t, "an answer", w.opened), c.Hold(name, Credentials{})} {
		if !isDenied(err) {
			t.Error(err)
		}
	}
}

// TestPrincipalHTTP names the role in lookups over HTTP.
func TestPrincipalHTTP(t *testing.T) {
	b := fakebroker.Start(t)
	var named atomic.Int32
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch got := r.Header.Get("X-Original-Principal"); {
		case got == "alice":
			named.Add(1)
		case got != "":
			t.Errorf("%s is asked for by %q", r.URL, got)
		}
		if strings.HasPrefix(r.URL.Path, "/lookup/") {
			_ = json.NewEncoder(w).Encode(map[string]string{"brokerUrl": b.URL()}) // the client's error tells
			return
		}
		if strings.Contains(r.URL.Path, "forbidden") {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"reason":"Unauthorized to validateTopicOperation for operation [LOOKUP]"}`)
			return
		}
		fmt.Fprint(w, `{"partitions":0}`)
	}))
	defer web.Close()
	c := newClient(t, Options{ServiceURL: web.URL})
	openPublisher(t, c, ProducerOptions{Topic: topic}, Routing{})
	if n := named.Load(); n != 0 {
		t.Errorf("%d requests of the login's own name a role", n)
	}
	openPublisher(t, c, ProducerOptions{Topic: topic, Principal: "alice"}, Routing{})
	if n := named.Load(); n != 2 {
		t.Errorf("%d requests name the role, not two", n)
	}
	denied := make(chan error, 1)
	c.Partitions(topic+"-forbidden", "alice", func(_ int, err error) { denied <- err })
	var e *Error
	if err := receive(t, "an answer", denied); !errors.As(err, &e) || e.Code != wire.AuthorizationError {
		t.Error(err)
	}
}
