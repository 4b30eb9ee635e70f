package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/server/tlsconf"
	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
)

// withTLS adds a TLS listener with a certificate of ca's.
func withTLS(t *testing.T, o tlsconf.Options) func(*Options) {
	t.Helper()
	source, err := tlsconf.Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return func(s *Options) { s.TLS, s.TLSAddress = source, "127.0.0.1:0" }
}

func serverCert(ca *tlstest.CA, kind string) tlsconf.Options {
	c := ca.Issue("server", kind)
	return tlsconf.Options{CertificateFile: c.CertFile, KeyFile: c.KeyFile}
}

func dialTLS(t *testing.T, s *Server, config *tls.Config, path string) (*websocket.Conn, error) {
	t.Helper()
	d := websocket.Dialer{HandshakeTimeout: patience, TLSClientConfig: config}
	c, _, err := d.Dial("wss://"+s.TLSAddr().String()+path, nil)
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetReadDeadline(time.Now().Add(patience))
	}
	return c, err
}

// dialTLSRaw is [dialRaw] over TLS, with the handshake done.
func dialTLSRaw(t *testing.T, s *Server, config *tls.Config) *rawConn {
	t.Helper()
	c, err := tls.Dial("tcp", s.TLSAddr().String(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return newRaw(t, c)
}

func TestTLSSession(t *testing.T) {
	for _, kind := range []string{"rsa", "ecdsa"} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(kind+" "+tls.VersionName(version), func(t *testing.T) {
				ca := tlstest.New(t)
				s := start(t, echoBridge(), withTLS(t, serverCert(ca, kind)))
				config := ca.Client()
				config.MaxVersion = version
				c, err := dialTLS(t, s, config, producerPath)
				if err != nil {
					t.Fatal(err)
				}
				state := c.NetConn().(*tls.Conn).ConnectionState()
				if state.Version != version {
					t.Errorf("version %x", state.Version)
				}
				if name := tls.CipherSuiteName(state.CipherSuite); tlsconf.FastAES() && !strings.Contains(name, "AES_128_GCM") {
					t.Errorf("this CPU has AES instructions, but the suite is %s", name)
				}
				for _, size := range []int{0, 1, 100, 16383, 16384, 16385, 70_000, 300_000} {
					text := strings.Repeat("x", size)
					say(t, c, "%s", text)
					if got := message(t, c); got != text {
						t.Fatalf("%d bytes: got %d back", size, len(got))
					}
				}
				// The plain port is served at the same time.
				plain := dial(t, s, producerPath)
				say(t, plain, "hi")
				if message(t, plain) != "hi" {
					t.Error("plain")
				}
				_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
				_, _, err = c.ReadMessage()
				if closeCode(t, err) != 1000 {
					t.Errorf("closed with %v", err)
				}
				// close_notify follows: without it this would be io.ErrUnexpectedEOF.
				if _, err := c.NetConn().Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Errorf("the end of the connection: %v", err)
				}
			})
		}
	}
}

func TestHTTPOverTLS(t *testing.T) {
	ca := tlstest.New(t)
	s := start(t, newFakeBridge(), withTLS(t, serverCert(ca, "ecdsa")), func(o *Options) { o.Address = "" })
	if s.Addr() != nil {
		t.Errorf("it listens without TLS on %s", s.Addr())
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: ca.Client(), ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	for range 3 { // kept alive
		resp, err := client.Get("https://" + s.TLSAddr().String() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !strings.Contains(string(body), `pulsegate_tls_handshakes_total{result="full"} 1`) {
			t.Fatalf("%d %v %s", resp.StatusCode, err, body)
		}
	}
	if resp, _ := dialTLSRaw(t, s, ca.Client()).ask("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"); resp.StatusCode != 404 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func (c *rawConn) ask(request string) (*http.Response, string) {
	c.send(request)
	return c.response()
}

// Whatever the pieces in which the bytes come.
func TestTLSInPieces(t *testing.T) {
	ca := tlstest.New(t)
	o := serverCert(ca, "rsa")
	o.TrustFile, o.RequireClientCertificate = ca.File, true
	s := start(t, echoBridge(), withTLS(t, o))
	own := ca.Issue("client", "rsa")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, piece := range []int{1, 7, 100} {
			config := ca.Client(own)
			config.MaxVersion = version
			d := websocket.Dialer{TLSClientConfig: config, NetDial: func(network, addr string) (net.Conn, error) {
				c, err := net.Dial(network, addr)
				return &pieces{c, piece}, err
			}}
			c, _, err := d.Dial("wss://"+s.TLSAddr().String()+producerPath, nil)
			if err != nil {
				t.Fatalf("%x in pieces of %d: %v", version, piece, err)
			}
			_ = c.SetReadDeadline(time.Now().Add(patience))
			text := strings.Repeat("y", 500)
			say(t, c, "%s", text)
			if message(t, c) != text {
				t.Errorf("%x in pieces of %d: not the same", version, piece)
			}
			_ = c.Close()
		}
	}
}

// pieces writes a few bytes at a time.
type pieces struct {
	net.Conn
	size int
}

func (p *pieces) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = p.Conn.Write(b[n:min(n+p.size, len(b))])
		n += m
		runtime.Gosched()
	}
	return n, err
}

func TestSessionTickets(t *testing.T) {
	ca := tlstest.New(t)
	o := serverCert(ca, "rsa")
	s := start(t, echoBridge(), withTLS(t, o))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := ca.Client()
		config.MaxVersion, config.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
		for i := range 3 {
			c, err := dialTLS(t, s, config, producerPath)
			if err != nil {
				t.Fatal(err)
			}
			say(t, c, "a")
			message(t, c) // the ticket of TLS 1.3 is read with the first data
			if resumed := c.NetConn().(*tls.Conn).ConnectionState().DidResume; resumed != (i > 0) {
				t.Errorf("%x, connection %d: resumed %v", version, i, resumed)
			}
			if i == 1 { // a new certificate does not make tickets useless
				serverCert(ca, "rsa")
				if changed, err := s.o.TLS.Refresh(); !changed || err != nil {
					t.Fatal(changed, err)
				}
			}
		}
	}
}

func TestClientCertificates(t *testing.T) {
	ca, other := tlstest.New(t), tlstest.New(t)
	o := serverCert(ca, "ecdsa")
	o.TrustFile = ca.File
	own, foreign := ca.Issue("client-1", "ecdsa"), other.Issue("client-2", "rsa")
	required, insecure := o, o
	required.RequireClientCertificate = true
	insecure.AllowInsecure = true
	both := required
	both.AllowInsecure = true
	for _, tc := range []struct {
		name    string
		options tlsconf.Options
		certs   []tlstest.Cert
		ok      bool
		peer    string
	}{
		{"optional, none", o, nil, true, ""},
		{"optional, trusted", o, []tlstest.Cert{own}, true, "client-1"},
		{"optional, foreign", o, []tlstest.Cert{foreign}, false, ""},
		{"required, none", required, nil, false, ""},
		{"required, trusted", required, []tlstest.Cert{own}, true, "client-1"},
		{"required, foreign", required, []tlstest.Cert{foreign}, false, ""},
		{"insecure, foreign", insecure, []tlstest.Cert{foreign}, true, ""},
		{"insecure, trusted", insecure, []tlstest.Cert{own}, true, "client-1"},
		{"required and insecure, foreign", both, []tlstest.Cert{foreign}, false, ""},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(fmt.Sprintf("%s %x", tc.name, version), func(t *testing.T) {
				b := newFakeBridge()
				s := start(t, b, withTLS(t, tc.options))
				config := ca.Client()
				config.MaxVersion = version
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					if len(tc.certs) == 0 {
						return &tls.Certificate{}, nil
					}
					return &tc.certs[0].TLS, nil // whatever authorities the server names
				}
				done := make(chan error, 1)
				go func() {
					_, err := dialTLS(t, s, config, producerPath)
					done <- err
				}()
				if !tc.ok {
					if err := receive(t, done, "the refusal"); err == nil {
						t.Error("it was let in")
					}
					return
				}
				open := opened(t, b)
				c := open.out.(*conn)
				c.mu.Lock()
				peer := ""
				if state := c.clientTLS(); state != nil {
					peer = state.PeerCertificates[0].Subject.CommonName
				}
				c.mu.Unlock()
				if peer != tc.peer {
					t.Errorf("the client is %q, want %q", peer, tc.peer)
				}
				open.done(newFakeSession(open.out), nil)
				if err := receive(t, done, "the session"); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestProtocolsAndCiphers(t *testing.T) {
	ca := tlstest.New(t)
	o := serverCert(ca, "rsa")
	o.MaxVersion = tls.VersionTLS12
	o.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384}
	s := start(t, newFakeBridge(), withTLS(t, o))
	try := func(change func(*tls.Config)) (uint16, error) {
		config := ca.Client()
		config.MinVersion = tls.VersionTLS10
		change(config)
		c, err := tls.Dial("tcp", s.TLSAddr().String(), config)
		if err != nil {
			return 0, err
		}
		defer func() { _ = c.Close() }()
		return c.ConnectionState().CipherSuite, nil
	}
	if suite, err := try(func(*tls.Config) {}); err != nil || suite != tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 {
		t.Errorf("%x %v", suite, err)
	}
	if _, err := try(func(c *tls.Config) { c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256} }); err == nil {
		t.Error("a suite that is not named was taken")
	}
	if _, err := try(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11 }); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: %v", err)
	}
	if _, err := try(func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }); err == nil {
		t.Error("TLS 1.3 was not named, and spoken")
	}
}

// A new certificate is used at once when the server is told to look.
func TestReread(t *testing.T) {
	ca := tlstest.New(t)
	s := start(t, echoBridge(), withTLS(t, serverCert(ca, "ecdsa")), func(o *Options) { o.TLSRefresh = time.Hour })
	serial := func() string {
		c := dialTLSRaw(t, s, ca.Client())
		return c.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	ca.Issue("server", "ecdsa") // in its place
	s.lookAtCertificates()
	eventually(t, "the new certificate is shown", func() bool { return serial() != before })
}

// A certificate is swapped while sessions are served: none of them notices, and
// new ones see the new certificate.
func TestCertificateSwappedUnderLoad(t *testing.T) {
	ca := tlstest.New(t)
	o := serverCert(ca, "ecdsa")
	s := start(t, echoBridge(), withTLS(t, o), func(o *Options) { o.TLSRefresh = time.Millisecond })
	const sessions = 20
	stop, ended := make(chan struct{}), make(chan error, sessions)
	var first []byte
	for i := range sessions {
		c, err := dialTLS(t, s, ca.Client(), producerPath)
		if err != nil {
			t.Fatal(err)
		}
		first = c.NetConn().(*tls.Conn).ConnectionState().PeerCertificates[0].Raw
		go func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					ended <- nil
					return
				default:
				}
				text := fmt.Sprintf("%d of %d", n, i)
				if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
					ended <- err
					return
				}
				if _, got, err := c.ReadMessage(); err != nil || string(got) != text {
					ended <- fmt.Errorf("got %q, %v", got, err)
					return
				}
			}
		}()
	}
	for range 5 {
		serverCert(ca, "ecdsa")
		var now []byte
		eventually(t, "the new certificate is shown", func() bool {
			c, err := tls.Dial("tcp", s.TLSAddr().String(), ca.Client())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			now = c.ConnectionState().PeerCertificates[0].Raw
			return string(now) != string(first)
		})
		first = now
	}
	close(stop)
	for range sessions {
		if err := receive(t, ended, "a session"); err != nil {
			t.Error(err)
		}
	}
}

func TestProxyHeaderBeforeTLS(t *testing.T) {
	ca := tlstest.New(t)
	b := newFakeBridge()
	s := start(t, b, withTLS(t, serverCert(ca, "ecdsa")), func(o *Options) { o.ProxyProtocol = true })
	for _, split := range []bool{false, true} {
		d := websocket.Dialer{TLSClientConfig: ca.Client(), NetDial: func(network, addr string) (net.Conn, error) {
			c, err := net.Dial(network, addr)
			if err != nil {
				return nil, err
			}
			return &prefixed{Conn: c, prefix: []byte("PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n"), split: split}, nil
		}}
		go func() { _, _, _ = d.Dial("wss://"+s.TLSAddr().String()+producerPath, nil) }()
		if open := opened(t, b); open.out.RemoteAddr() != "192.0.2.7:4711" {
			t.Errorf("remote %s", open.out.RemoteAddr())
		}
	}
}

// prefixed sends a prefix with or before what is written first.
type prefixed struct {
	net.Conn
	prefix []byte
	split  bool
}

func (p *prefixed) Write(b []byte) (int, error) {
	prefix := p.prefix
	p.prefix = nil
	if p.split && len(prefix) > 0 {
		if _, err := p.Conn.Write(prefix); err != nil {
			return 0, err
		}
		prefix = nil
	}
	if _, err := p.Conn.Write(append(prefix, b...)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// What is no handshake, or a part of one, ends with the connection and leaves
// nothing behind.
func TestBadTLSHandshakes(t *testing.T) {
	ca := tlstest.New(t)
	s := start(t, newFakeBridge(), withTLS(t, serverCert(ca, "ecdsa")), func(o *Options) { o.HandshakeTimeout = 200 * time.Millisecond })
	hello := clientHello(t)
	for name, input := range map[string]string{
		"nothing":         "",
		"plain HTTP":      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"half":            hello[:len(hello)/2],
		"and no more":     hello,
		"too long":        "\x16\x03\x01\xff\xff" + strings.Repeat("x", 70_000),
		"too much":        hello + strings.Repeat("\x16\x03\x03\x40\x00"+strings.Repeat("x", 16384), 8),
		"twice":           hello + hello,
		"an alert":        "\x15\x03\x01\x00\x02\x02\x28",
		"endless message": strings.Repeat("\x16\x03\x01\x40\x00\x01\xff\xff\xff"+strings.Repeat("x", 16380), 3),
		"data first":      "\x17\x03\x03\x00\x05hello",
	} {
		c, err := net.Dial("tcp", s.TLSAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, input) // may fail: the server need not take all
		if _, err := io.Copy(io.Discard, c); err != nil {
			var e net.Error
			if errors.As(err, &e) && e.Timeout() {
				t.Errorf("%s: the connection stays open", name)
			}
		}
		_ = c.Close()
	}
	eventually(t, "all are forgotten", func() bool { return s.conns.Load() == 0 })
	if n := s.metrics.panics.Load(); n != 0 {
		t.Errorf("%d panics", n)
	}
}

// A record that was changed on its way ends the session with an alert.
func TestBadRecord(t *testing.T) {
	ca := tlstest.New(t)
	b := echoBridge()
	s := start(t, b, withTLS(t, serverCert(ca, "ecdsa")))
	var raw net.Conn
	d := websocket.Dialer{TLSClientConfig: ca.Client(), NetDial: func(network, addr string) (c net.Conn, err error) {
		raw, err = net.Dial(network, addr)
		return raw, err
	}}
	c, _, err := d.Dial("wss://"+s.TLSAddr().String()+producerPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(raw, "\x17\x03\x03\x00\x20"+strings.Repeat("x", 32)); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if _, _, err = c.ReadMessage(); err == nil || !strings.Contains(err.Error(), "bad record MAC") {
		t.Errorf("the session ended with %v", err)
	}
	_ = c.Close()
	eventually(t, "it is forgotten", func() bool { return s.conns.Load() == 0 && s.sessions[0].Load() == 0 })
}

// A session that takes no more stops the reading, and nothing is lost or mixed
// up when it goes on.
func TestTLSFlowControl(t *testing.T) {
	ca := tlstest.New(t)
	b := newFakeBridge()
	s := start(t, b, withTLS(t, serverCert(ca, "ecdsa")))
	done := make(chan *websocket.Conn, 1)
	go func() {
		c, err := dialTLS(t, s, ca.Client(), producerPath)
		if err != nil {
			t.Error(err)
		}
		done <- c
	}()
	open := opened(t, b)
	f := newFakeSession(open.out)
	setFull := func(full bool) { f.set(func(f *fakeSession) { f.full = full }) }
	got := make(chan string, 10_000)
	f.handle = func(frame []byte) error {
		setFull(true)
		got <- string(frame)
		return nil
	}
	open.done(f, nil)
	c := receive(t, done, "the session")
	const messages = 2000
	go func() {
		for i := range messages {
			if err := c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "%d %s", i, strings.Repeat("z", rand.IntN(300)))); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for i := range messages {
		if m := receive(t, got, "a message"); !strings.HasPrefix(m, fmt.Sprintf("%d ", i)) {
			t.Fatalf("message %d: got %.10q", i, m)
		}
		setFull(false)
		f.out.Resume()
	}
}

func clientHello(t testing.TB) string {
	client, server := net.Pipe()
	defer func() { _, _ = client.Close(), server.Close() }()
	go func() { _ = tls.Client(client, &tls.Config{ServerName: "localhost"}).Handshake() }()
	buf := make([]byte, 16384)
	n, err := server.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}
