package pulsar

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	jks "github.com/pavlo-v-chernykh/keystore-go/v4"

	"github.com/pulsegate/pulsegate/keystore"
)

const storePassword = "store-password"

// writeJKS writes a store with a key and its certificate, or without a key with a
// certificate that is trusted.
func writeJKS(t *testing.T, file string, cert *x509.Certificate, key *ecdsa.PrivateKey) {
	t.Helper()
	store := jks.New()
	content := jks.Certificate{Type: "X509", Content: cert.Raw}
	var err error
	if key == nil {
		err = store.SetTrustedCertificateEntry("authority", jks.TrustedCertificateEntry{Certificate: content})
	} else {
		var der []byte
		if der, err = x509.MarshalPKCS8PrivateKey(key); err == nil {
			err = store.SetPrivateKeyEntry("own", jks.PrivateKeyEntry{PrivateKey: der, CertificateChain: []jks.Certificate{content}}, []byte(storePassword))
		}
	}
	var b bytes.Buffer
	if err == nil {
		err = store.Store(&b, []byte(storePassword))
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, file+".new", b.Bytes())
	if err := os.Rename(file+".new", file); err != nil { // whoever watches it sees the old or the new
		t.Fatal(err)
	}
}

// storeFiles are a trust store of an authority and a key store with a certificate of it.
func storeFiles(t *testing.T, a *authority, name string) TLS {
	t.Helper()
	dir := t.TempDir()
	cert, key := a.issue(name, false, "")
	o := TLS{
		TrustStore: keystore.Store{Setting: "brokerClient_tlsTrustStorePath", File: filepath.Join(dir, "trust.jks"), Password: storePassword},
		KeyStore:   keystore.Store{Setting: "brokerClient_tlsKeyStorePath", File: filepath.Join(dir, "key.jks"), Password: storePassword},
	}
	writeJKS(t, o.TrustStore.File, a.cert, nil)
	writeJKS(t, o.KeyStore.File, cert, key)
	return o
}

// told is a handler of log records that passes their messages on.
type told struct {
	slog.Handler
	messages chan string
}

func (h told) Enabled(context.Context, slog.Level) bool { return true }

func (h told) Handle(ctx context.Context, r slog.Record) error {
	h.messages <- r.Message
	return nil
}

// Stores of Java serve as PEM files do, and are watched like them.
func TestStoresAreRenewed(t *testing.T) {
	first, second := newAuthority(t), newAuthority(t)
	o := storeFiles(t, first, "gateway-1")
	options := o
	s, err := openStores(&options)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	clients := make(chan string, 1)
	serve := func(a *authority) string {
		cert, key := a.issue("server", false, "broker.example")
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			clients <- r.TLS.PeerCertificates[0].Subject.CommonName
		}))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}, ClientAuth: tls.RequireAnyClientCert}
		server.StartTLS()
		t.Cleanup(server.Close)
		return server.URL
	}
	a := newTestAdmin(t, Options{AdminURL: serve(first), TLS: options})
	ask(t, a)
	if name := <-clients; name != "gateway-1" {
		t.Errorf("the server saw %q", name)
	}
	a.hosts = []string{serve(second)}
	if err := a.get(t.Context(), "/", nil); err == nil {
		t.Fatal("a certificate of an unknown authority is accepted")
	}

	ctx, stop := context.WithCancel(t.Context())
	messages, done := make(chan string, 100), make(chan struct{})
	go func() {
		defer close(done)
		s.watch(ctx, slog.New(told{slog.DiscardHandler, messages}))
	}()
	defer func() { stop(); <-done }()
	cert, key := second.issue("gateway-2", false, "")
	writeJKS(t, o.TrustStore.File, second.cert, nil)
	if err := os.Truncate(o.KeyStore.File, 100); err != nil {
		t.Fatal(err)
	}
	for range 2 { // in any order
		if m := <-messages; !strings.Contains(m, "read a changed store") && !strings.Contains(m, "cannot be used") {
			t.Fatal(m)
		}
	}
	ask(t, a)
	if name := <-clients; name != "gateway-1" {
		t.Errorf("with half a store the server saw %q", name)
	}
	writeJKS(t, o.KeyStore.File, cert, key)
	if m := <-messages; m != "read a changed store" {
		t.Fatal(m)
	}
	a.close()
	ask(t, a)
	if name := <-clients; name != "gateway-2" {
		t.Errorf("the server saw %q", name)
	}
}

// Connections to brokers use the stores, too.
func TestStoresTowardsBrokers(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue("server", false, "localhost")
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}, ClientAuth: tls.RequireAnyClientCert,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	up, err := New(Options{
		BrokerServiceURL: "pulsar+ssl://localhost:" + l.Addr().String()[len("127.0.0.1:"):],
		TLS:              storeFiles(t, a, "gateway"), OperationTimeout: time.Second, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		_, _ = up.Partitions(t.Context(), "persistent://public/default/t", "")
	}()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	err = c.(*tls.Conn).Handshake()
	peers := c.(*tls.Conn).ConnectionState().PeerCertificates
	_ = c.Close()
	if err != nil {
		t.Errorf("handshake: %v", err)
	} else if len(peers) != 1 || peers[0].Subject.CommonName != "gateway" {
		t.Errorf("the broker saw %v", peers)
	}
	_ = l.Close()
	path := up.stores[0].file.path()
	up.Close()
	<-asked
	if _, err := os.ReadFile(path); err == nil {
		t.Errorf("%s is left open", path)
	}
}

func TestStoresAtFault(t *testing.T) {
	a := newAuthority(t)
	good := storeFiles(t, a, "gateway")
	for _, tc := range []struct {
		change func(*TLS)
		says   []string
	}{
		{func(o *TLS) { o.KeyStore.Password = "wrong" }, []string{"brokerClient_tlsKeyStorePath=" + good.KeyStore.File, "password"}},
		{func(o *TLS) { o.TrustStore.Password = "wrong" }, []string{"brokerClient_tlsTrustStorePath=" + good.TrustStore.File, "password"}},
		{func(o *TLS) { o.KeyStore.File = good.TrustStore.File }, []string{"brokerClient_tlsKeyStorePath=", "no private key"}},
		{func(o *TLS) { o.TrustStore.File += ".none" }, []string{"brokerClient_tlsTrustStorePath=", "no such file"}},
	} {
		o := good
		tc.change(&o)
		_, err := New(Options{BrokerServiceURL: "pulsar+ssl://localhost:6651", TLS: o, Logger: slog.New(slog.DiscardHandler)})
		for _, says := range tc.says {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v, want %q", err, says)
			}
		}
	}
	params := func(s keystore.Store) string {
		return "keyStoreType:JKS,keyStorePath:" + s.File + ",keyStorePassword:" + s.Password
	}
	p, err := newLogin("org.apache.pulsar.client.impl.auth.AuthenticationKeyStoreTls", params(good.KeyStore))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := p.Certificate(); err != nil || c.Leaf.Subject.CommonName != "gateway" || p.Method() != "tls" {
		t.Errorf("%v %v", c, err)
	}
	for _, tc := range []struct{ params, says string }{
		{params(keystore.Store{File: good.KeyStore.File, Password: "secret"}), "password is wrong"},
		{params(good.TrustStore), "no private key"},
		{"keyStorePassword:secret", "keyStorePath is needed"},
		{"keyStoreType:BKS,keyStorePassword:secret,keyStorePath:/x", "one of JKS, PKCS12"},
	} {
		p, err := newLogin("AuthenticationKeyStoreTls", tc.params)
		if err == nil {
			err = p.Check()
		}
		if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %q", err, tc.says)
		}
	}
}
