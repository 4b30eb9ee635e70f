package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
)

// patience bounds every wait; none is expected to use it up.
const patience = time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logBuffer collects a log and tells when the server listens.
type logBuffer struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ready chan string
}

var listening = regexp.MustCompile(`msg=listening address=(\S+)`)

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m := listening.FindSubmatch(p); m != nil {
		b.ready <- string(m[1])
	}
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// serve runs an embedded gateway. stop ends it and returns what Run returned.
func serve(t *testing.T, change func(*config.Config)) (addr string, log *logBuffer, stop func() error) {
	t.Helper()
	cfg := config.Defaults()
	cfg.BindAddress, cfg.WebServicePort = "127.0.0.1", 0
	if change != nil {
		change(cfg)
	}
	log = &logBuffer{ready: make(chan string, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	notices := []config.Notice{{Kind: config.Unknown, Key: "serviceUlr"}}
	go func() {
		done <- Run(ctx, cfg, notices, Options{Embedded: true, Logger: slog.New(slog.NewTextHandler(log, nil)), Version: "test"})
	}()
	var once sync.Once
	var result error
	stop = func() error {
		once.Do(func() {
			cancel()
			select {
			case result = <-done:
			case <-time.After(patience):
				result = errors.New("it does not end")
			}
		})
		return result
	}
	t.Cleanup(func() { _ = stop() })
	select {
	case addr = <-log.ready:
	case err := <-done:
		t.Fatalf("it does not serve: %v", err)
	}
	return addr, log, stop
}

func dial(t *testing.T, addr, path string) *websocket.Conn {
	t.Helper()
	c, resp, err := websocket.DefaultDialer.Dial("ws://"+addr+path, nil)
	if err != nil {
		t.Fatalf("%s: %v (%v)", path, err, resp)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(patience))
	return c
}

func read(t *testing.T, c *websocket.Conn) map[string]any {
	t.Helper()
	var m map[string]any
	if err := c.ReadJSON(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestProduceConsumeRead(t *testing.T) {
	addr, log, stop := serve(t, func(c *config.Config) { c.MetricsNamespaces = 1 })
	reader := dial(t, addr, "/ws/v2/reader/persistent/public/default/t")
	consumer := dial(t, addr, "/ws/v2/consumer/persistent/public/default/t/s?subscriptionType=Shared")
	producer := dial(t, addr, "/ws/v2/producer/persistent/public/default/t")
	const n = 50
	for i := range n {
		payload := base64.StdEncoding.EncodeToString([]byte{byte(i)})
		if err := producer.WriteJSON(map[string]any{"payload": payload, "context": i}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		payload := base64.StdEncoding.EncodeToString([]byte{byte(i)})
		answer := read(t, producer)
		if answer["result"] != "ok" || answer["context"] != strconv.Itoa(i) {
			t.Fatalf("answer %v", answer)
		}
		for _, c := range []*websocket.Conn{reader, consumer} {
			m := read(t, c)
			if m["payload"] != payload || m["messageId"] != answer["messageId"] {
				t.Fatalf("message %d: got %v", i, m)
			}
			if err := c.WriteJSON(map[string]any{"messageId": m["messageId"]}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for path, want := range map[string]string{
		"/readyz": "ok", "/metrics": "pulsegate_published_messages_total 50",
		"/metrics/": `pulsegate_namespace_published_messages_total{namespace="public/default"} 50`,
		"/admin/v2/proxy-stats/persistent/public/default/t/stats": `"numberOfMsgPublished":50`,
		"/admin/v2/persistent/public/default/t/stats":             "subscriptions",
	} {
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()

	closed := make(chan error, 3)
	for _, c := range []*websocket.Conn{producer, consumer, reader} {
		go func() {
			_, _, err := c.ReadMessage()
			closed <- err
		}()
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := <-closed; !websocket.IsCloseError(err, websocket.CloseGoingAway) {
			t.Errorf("a session ended with %v", err)
		}
	}
	for _, want := range []string{"serviceUlr", "nothing survives a restart", "msg=drained"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
}

func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	cfg := config.Defaults()
	cfg.BindAddress, cfg.WebServicePort = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
	for _, tc := range []struct {
		change func()
		want   string
	}{
		{func() {}, "--set webServicePort=PORT"},
		{func() {
			cert := tlstest.New(t).Issue("server", "ecdsa")
			cfg.WebServicePortTLS, cfg.WebServicePort = cfg.WebServicePort, 0
			cfg.TLSCertificateFile, cfg.TLSKeyFile = cert.CertFile, cert.KeyFile
		}, "--set webServicePortTls=PORT"},
	} {
		tc.change()
		err = Run(t.Context(), cfg, nil, Options{Embedded: true, Logger: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.HasPrefix(err.Error(), "listen on "+l.Addr().String()+": bind: address already in use: ") || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
	cfg.WebServicePortTLS, cfg.BindAddress = config.NoPort, "192.0.2.1"
	err = Run(t.Context(), cfg, nil, Options{Embedded: true, Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "see bindAddress") {
		t.Errorf("got %v", err)
	}
}

func TestNoCluster(t *testing.T) {
	if err := Run(t.Context(), config.Defaults(), nil, Options{Logger: slog.New(slog.DiscardHandler)}); !errors.Is(err, config.ErrNoCluster) {
		t.Fatalf("got %v", err)
	}
}

// The configuration's zeros mean to the other rooms what the table of keys says.
func TestZerosOfTheConfiguration(t *testing.T) {
	cfg := config.Defaults()
	cfg.UpstreamLinger = 0
	if o := bridgeOptions(cfg, nil, nil); o.Linger != 0 {
		t.Errorf("linger %v", o.Linger)
	}
	cfg.SessionIdleTimeout, cfg.PingInterval = 0, 0
	if o := serverOptions(cfg, nil, nil, nil, ""); o.IdleTimeout != 0 || o.PingInterval != 0 {
		t.Errorf("%+v", o)
	}
}

func TestPulsarAddresses(t *testing.T) {
	for _, tc := range []struct {
		change                 func(*config.Config)
		broker, service, admin string
	}{
		{func(c *config.Config) { c.BrokerServiceURL = "pulsar://b:6650" }, "pulsar://b:6650", "", ""},
		{func(c *config.Config) { c.BrokerServiceURL, c.ServiceURL = "pulsar://b:6650", "http://b:8080" }, "pulsar://b:6650", "", "http://b:8080"},
		{func(c *config.Config) { c.ServiceURL = "http://b:8080" }, "", "http://b:8080", "http://b:8080"},
		{func(c *config.Config) { c.BrokerServiceURL = "http://b:8080" }, "", "http://b:8080", "http://b:8080"},
		{func(c *config.Config) {
			c.BrokerClientTLSEnabled = true
			c.ServiceURL, c.ServiceURLTLS, c.BrokerServiceURLTLS = "http://b:8080", "https://b:8443", "pulsar+ssl://b:6651"
		}, "pulsar+ssl://b:6651", "", "https://b:8443"},
		{func(*config.Config) {}, "", "", ""},
	} {
		cfg := config.Defaults()
		tc.change(cfg)
		o := pulsarOptions(cfg, nil, nil)
		if o.BrokerServiceURL != tc.broker || o.ServiceURL != tc.service || o.AdminURL != tc.admin {
			t.Errorf("got %q, %q, %q; want %q, %q, %q", o.BrokerServiceURL, o.ServiceURL, o.AdminURL, tc.broker, tc.service, tc.admin)
		}
	}
}

func TestTryOut(t *testing.T) {
	for addr, host := range map[string]string{"0.0.0.0:80": "localhost:80", "127.0.0.1:80": "localhost:80", "192.0.2.1:80": "192.0.2.1:80", "[2001:db8::1]:80": "[2001:db8::1]:80"} {
		a, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		tryOut(&b, "bin/pulsegate", a, false)
		if !strings.Contains(b.String(), "  bin/pulsegate produce ws://"+host+"/ws/v2/producer/") || !strings.Contains(b.String(), "  bin/pulsegate consume -n 1 \"ws://"+host+"/") {
			t.Errorf("%s:\n%s", addr, b.String())
		}
	}
}
