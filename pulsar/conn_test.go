package pulsar

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar/auth"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// publish sends one message on a new producer, which has to succeed.
func publish(t *testing.T, c *Client) {
	t.Helper()
	p, _ := openProducer(t, c, ProducerOptions{Topic: topic})
	l := newLedger(t)
	l.send(p, t.Name())
	l.wait()
	if err := l.err(t.Name()); err != nil {
		t.Error(err)
	}
}

// opening is what comes of opening a producer.
func opening(t *testing.T, c *Client) error {
	t.Helper()
	w := newWatcher()
	c.NewProducer(ProducerOptions{Topic: topic}, producerOwner{w})
	return receive(t, "an answer", w.opened)
}

func TestHandshake(t *testing.T) {
	b := fakebroker.Start(t)
	hello := make(chan wire.Connect, 1)
	responses := make(chan wire.AuthData, 10)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.Connect:
			cmd.AuthData = bytes.Clone(cmd.AuthData)
			hello <- *cmd
			c.Send(&wire.AuthChallenge{}) // a login of two steps
			return fakebroker.Ignore
		case *wire.AuthResponse:
			cmd.Response.AuthData = bytes.Clone(cmd.Response.AuthData)
			responses <- cmd.Response
			if len(c.Topics) == 0 {
				_ = c.Handle(&wire.Connect{})
			}
			return fakebroker.Ignore
		case *wire.Send:
			c.Send(&wire.AuthChallenge{}) // the login has to be renewed
		}
		return fakebroker.Handle
	}
	var n atomic.Int32
	login := auth.NewAuthenticationTokenFromSupplier(func() (string, error) { return fmt.Sprintf("token %d", n.Add(1)), nil })
	c := newClient(t, Options{ServiceURL: b.URL(), Auth: login})
	publish(t, c)
	got := receive(t, "CONNECT", hello)
	if got.AuthMethodName != "token" || string(got.AuthData) != "token 1" || got.ProtocolVersion != 20 || !got.FeatureFlags.SupportsAuthRefresh || got.ProxyToBrokerURL != "" {
		t.Errorf("CONNECT: %+v", got)
	}
	for _, want := range []string{"token 2", "token 3"} {
		if r := receive(t, "AUTH_RESPONSE", responses); string(r.AuthData) != want || r.AuthMethodName != "token" {
			t.Errorf("AUTH_RESPONSE: %+v", r)
		}
	}
}

// TestRefusedLogin has to end the opening at once, with the broker's reason.
func TestRefusedLogin(t *testing.T) {
	b := fakebroker.Start(t)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Send(&wire.Error{Error: wire.AuthenticationError, Message: "who are you?\n\tat Java"})
		return fakebroker.Drop
	}
	err := opening(t, newClient(t, Options{ServiceURL: b.URL()}))
	var e *Error
	if !errors.As(err, &e) || e.Code != wire.AuthenticationError || e.Message != "who are you?" {
		t.Error(err)
	}
}

// TestLoginFails has a login that cannot be had.
func TestLoginFails(t *testing.T) {
	b := fakebroker.Start(t)
	login := auth.NewAuthenticationTokenFromSupplier(func() (string, error) { return "", errors.New("no token today") })
	err := opening(t, newClient(t, Options{ServiceURL: b.URL(), Auth: login, OperationTimeout: 50 * time.Millisecond}))
	if !errors.Is(err, ErrConnection) || !strings.Contains(err.Error(), "no token today") {
		t.Error(err)
	}
}

// tlsProxy accepts TLS for the given name and passes on to a broker. It returns its address and who to trust.
func tlsProxy(t *testing.T, b *fakebroker.Broker, name string) (string, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true}
	if ip := net.ParseIP(name); ip != nil {
		cert.IPAddresses = []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", strings.TrimPrefix(b.URL(), "pulsar://"))
			if err != nil {
				in.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				wg.Go(func() {
					_, _ = io.Copy(pair[0], pair[1])
					pair[0].Close()
					pair[1].Close()
				})
			}
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String(), pool
}

func TestTLS(t *testing.T) {
	b := fakebroker.Start(t)
	for _, name := range []string{"127.0.0.1", "another.example"} {
		addr, pool := tlsProxy(t, b, name)
		b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
			if l, ok := cmd.(*wire.Lookup); ok {
				c.Send(&wire.LookupResponse{RequestID: l.RequestID, Response: wire.LookupConnect, BrokerServiceURL: "pulsar://192.0.2.1:1", BrokerServiceURLTLS: "pulsar+ssl://" + addr})
				return fakebroker.Ignore
			}
			return fakebroker.Handle
		}
		c := newClient(t, Options{ServiceURL: "pulsar+ssl://" + addr, OperationTimeout: 200 * time.Millisecond,
			TLS: func() (*tls.Config, error) { return &tls.Config{RootCAs: pool}, nil }})
		if name == "127.0.0.1" {
			publish(t, c)
			continue
		}
		if err := opening(t, c); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("a certificate for another host: %v", err)
		}
	}
}

// TestServiceURLs has to pass over hosts that do not answer.
func TestServiceURLs(t *testing.T) {
	b := fakebroker.Start(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody is there any more
	publish(t, newClient(t, Options{ServiceURL: "pulsar://" + l.Addr().String() + "," + strings.TrimPrefix(b.URL(), "pulsar://")}))
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
	publish(t, newClient(t, Options{ServiceURL: b.URL(), ListenerName: "inside"}))
	for _, want := range []string{"", "one.invalid:1", "two.invalid:2"} {
		if got := receive(t, "a connection", proxied); got != want {
			t.Errorf("a connection for %q, not %q", got, want)
		}
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
	c.locate(&c.service, topic, func(_ broker, err error) { done <- err })
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
	c := newClient(t, Options{ServiceURL: b.URL(), OperationTimeout: 50 * time.Millisecond})
	done := make(chan error, 1)
	c.Partitions(topic, func(_ int, err error) { done <- err })
	if err := receive(t, "an answer", done); !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	// One that waits when the client is closed is answered, too.
	c = newClient(t, Options{ServiceURL: b.URL()})
	c.Partitions(topic, func(_ int, err error) { done <- err })
	c.Close()
	if err := receive(t, "an answer", done); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	c.Partitions(topic, func(_ int, err error) { done <- err })
	if err := receive(t, "an answer", done); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestKeepAlive has both sides probe: the client answers, and leaves a broker that does not.
func TestKeepAlive(t *testing.T) {
	b := fakebroker.Start(t)
	pong := make(chan struct{}, 1)
	pings := make(chan struct{}, 100)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd.(type) {
		case *wire.Producer:
			c.Send(&wire.Ping{})
		case *wire.Pong:
			pong <- struct{}{}
		case *wire.Ping:
			pings <- struct{}{}
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL(), KeepAlive: 20 * time.Millisecond})
	openProducer(t, c, ProducerOptions{Topic: topic})
	receive(t, "PONG", pong)
	receive(t, "PING", pings)
	conn := b.Conns()[0]
	gone := func() bool {
		for _, c := range b.Conns() {
			if c == conn {
				return false
			}
		}
		return true
	}
	for deadline := time.Now().Add(patience); !gone(); {
		if time.Now().After(deadline) {
			t.Fatal("the connection stays")
		}
		time.Sleep(time.Millisecond)
	}
}

// TestStalledSocket has a broker that reads nothing: what waits stays within its bounds, the caller is
// told, and another broker's producers go on.
func TestStalledSocket(t *testing.T) {
	b := fakebroker.Start(t)
	good := fakebroker.Start(t)
	release := make(chan struct{})
	var once sync.Once
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.Lookup:
			if strings.HasSuffix(cmd.Topic, "good") {
				c.Send(&wire.LookupResponse{RequestID: cmd.RequestID, Response: wire.LookupConnect, BrokerServiceURL: good.URL()})
				return fakebroker.Ignore
			}
		case *wire.Send:
			<-release
		}
		return fakebroker.Handle
	}
	defer once.Do(func() { close(release) })
	c := newClient(t, Options{ServiceURL: b.URL()})
	p, _ := openProducer(t, c, ProducerOptions{Topic: topic, MaxPending: 5000})
	other, _ := openProducer(t, c, ProducerOptions{Topic: topic + "-good"})
	l := newLedger(t)
	const size = 10_000
	for i := range 5000 {
		l.send(p, long(i, size))
	}
	l.send(p, "one more")
	if err := l.err("one more"); !errors.Is(err, ErrQueueFull) {
		t.Error(err)
	}
	conn := p.on
	conn.mu.Lock()
	bytes := conn.out.bytes
	conn.mu.Unlock()
	if bytes > outboxRoom+size+1024 {
		t.Errorf("%d bytes wait to be written", bytes)
	}
	ok := newLedger(t)
	ok.send(other, "goes on")
	ok.wait()
	once.Do(func() { close(release) })
	l.wait()
	l.check(b.Stored(topic), true)
	if n := len(b.Stored(topic)); n != 5000 {
		t.Errorf("%d are stored", n)
	}
}

// TestMaxMessageSize takes the broker's word for it, and what is too big harms nobody.
func TestMaxMessageSize(t *testing.T) {
	b := fakebroker.Start(t)
	b.MaxMessageSize = 1000
	c := newClient(t, Options{ServiceURL: b.URL()})
	for _, batching := range []bool{false, true} {
		p, _ := openProducer(t, c, ProducerOptions{Topic: topic, Batching: batching, BatchMessages: 10})
		l := newLedger(t)
		l.send(p, "a")
		l.send(p, long(1, 2000))
		l.sendMessage(p, "metadata", &Message{Payload: []byte("p"), Properties: []KeyValue{{Key: "k", Value: strings.Repeat("v", 20_000)}}})
		l.send(p, long(2, 900))
		l.send(p, "z")
		l.wait()
		for text, want := range map[string]error{"a": nil, long(1, 2000): ErrTooBig, "metadata": ErrTooBig, long(2, 900): nil, "z": nil} {
			if err := l.err(text); !errors.Is(err, want) {
				t.Errorf("batching %t, %.20s: %v", batching, text, err)
			}
		}
		if len(b.Conns()) != 1 {
			t.Error("the connection was lost")
		}
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
	c := newClient(t, Options{ServiceURL: web.URL, ListenerName: "inside", Auth: auth.NewAuthenticationToken("secret")})
	publish(t, c)
	partitions := func(topic string) (int, error) {
		done := make(chan error, 1)
		n := 0
		c.Partitions(topic, func(m int, err error) { n = m; done <- err })
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

// TestGrowingFrames reads frames that are longer than the buffer, in pieces of any size.
func TestGrowingFrames(t *testing.T) {
	var stream []byte
	sizes := []int{1, 200_000, 5, 70_000, 65_536 - 30, 3, 1 << 20, 1}
	for i, n := range sizes {
		stream = wire.Append(stream, &wire.Error{RequestID: uint64(i), Message: strings.Repeat("x", n)})
	}
	for _, piece := range []int{1 << 20, 65_000, 4096, 13} {
		r := &frames{from: &pieces{stream, piece}, limit: 2 << 20}
		for i, n := range sizes {
			var f wire.Frame
			for ok := false; !ok; {
				var err error
				if f, ok, err = r.next(); err == nil && !ok {
					err = r.fill()
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			var c wire.Error
			if err := wire.Parse(f.Body, &c); err != nil || c.RequestID != uint64(i) || len(c.Message) != n {
				t.Fatalf("pieces of %d: frame %d: %v, %d bytes", piece, i, err, len(c.Message))
			}
		}
		if err := r.fill(); err != io.EOF || len(r.buf) != readBuffer {
			t.Errorf("at the end: %v, and a buffer of %d bytes", err, len(r.buf))
		}
	}
}

type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.n)], p.b)
	p.b = p.b[n:]
	return n, nil
}
