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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/login"
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
	secret := login.Token(func() (string, error) { return fmt.Sprintf("token %d", n.Add(1)), nil })
	c := newClient(t, Options{ServiceURL: b.URL(), Login: secret})
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
	secret := login.Token(func() (string, error) { return "", errors.New("no token today") })
	err := opening(t, newClient(t, Options{ServiceURL: b.URL(), Login: secret, OperationTimeout: 50 * time.Millisecond}))
	if !errors.Is(err, ErrConnection) || !strings.Contains(err.Error(), "no token today") {
		t.Error(err)
	}
}

// tlsProxy accepts TLS for the given name, from clients with a certificate, and passes on to addr. It returns its address, who
// to trust, and a certificate.
func tlsProxy(t *testing.T, to, name string) (string, *x509.CertPool, tls.Certificate) {
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
	own := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAnyClientCert})
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
			out, err := net.Dial("tcp", to)
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
	return l.Addr().String(), pool, own
}

// TestTLS encrypts, with the login's certificate, over both kinds of lookup; and checks the host's name.
func TestTLS(t *testing.T) {
	b := fakebroker.Start(t)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"brokerUrl": "pulsar://192.0.2.1:1", "brokerUrlTls": "pulsar+ssl://" + r.URL.Query().Get("listenerName")})
	}))
	defer web.Close()
	for _, name := range []string{"127.0.0.1", "another.example"} {
		addr, pool, own := tlsProxy(t, strings.TrimPrefix(b.URL(), "pulsar://"), name)
		webAddr, webPool, _ := tlsProxy(t, web.Listener.Addr().String(), name)
		b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
			if l, ok := cmd.(*wire.Lookup); ok {
				c.Send(&wire.LookupResponse{RequestID: l.RequestID, Response: wire.LookupConnect, BrokerServiceURL: "pulsar://192.0.2.1:1", BrokerServiceURLTLS: "pulsar+ssl://" + addr})
				return fakebroker.Ignore
			}
			return fakebroker.Handle
		}
		for url, trust := range map[string][]*x509.CertPool{"pulsar+ssl://" + addr: {pool}, "https://" + webAddr: {webPool, pool}} {
			dials := 0
			timeout := patience
			if name != "127.0.0.1" {
				timeout = time.Second // it has no hope
			}
			c := newClient(t, Options{ServiceURL: url, OperationTimeout: timeout, ListenerName: addr,
				Login: login.Certificate(func() (*tls.Certificate, error) { return &own, nil }),
				TLS: func() (*tls.Config, error) {
					dials++
					return &tls.Config{RootCAs: trust[min(dials, len(trust))-1]}, nil
				}})
			if name == "127.0.0.1" {
				publish(t, c)
				continue
			}
			if err := opening(t, c); err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("a certificate for another host: %v", err)
			}
		}
	}
}

// TestKeepAlive has both sides probe: the client answers, and leaves a broker that does not.
func TestKeepAlive(t *testing.T) {
	b := fakebroker.Start(t)
	var pong, ping sync.Once
	ponged, pinged := make(chan struct{}), make(chan *fakebroker.Conn, 1)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd.(type) {
		case *wire.Producer:
			c.Send(&wire.Ping{})
		case *wire.Pong:
			pong.Do(func() { close(ponged) })
		case *wire.Ping:
			ping.Do(func() { pinged <- c })
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL(), KeepAlive: 20 * time.Millisecond})
	openProducer(t, c, ProducerOptions{Topic: topic})
	receive(t, "PONG", ponged)
	unanswered := receive(t, "PING", pinged)
	eventually(t, "the end of the connection", func() bool { return !slices.Contains(b.Conns(), unanswered) })
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
