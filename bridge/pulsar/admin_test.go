package pulsar

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/test/port"
)

func TestAdminHosts(t *testing.T) {
	for url, want := range map[string]string{
		"http://a:8080": "http://a:8080", "https://a:1,b:2/": "https://a:1 https://b:2", "http://a:1, b:2/base": "http://a:1/base http://b:2/base",
	} {
		if got := strings.Join(adminHosts(url), " "); got != want {
			t.Errorf("%s: %s", url, got)
		}
	}
}

func newTestAdmin(t *testing.T, o Options) *admin {
	t.Helper()
	o.OperationTimeout = 20 * time.Second
	as, err := newLogin(o.AuthPlugin, o.AuthParams)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newAdmin(&o, as)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	return a
}

// A broker that is down is passed over, and later not asked first.
func TestAdminAsksTheNextBroker(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/admin/v2/tenants/public" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(`{"adminRoles":["a"]}`))
	}))
	defer up.Close()
	down := port.Deaf(t).String()
	u := &Upstream{admin: newTestAdmin(t, Options{AdminURL: "http://" + down + "," + up.Listener.Addr().String()})}
	for range 2 {
		var out struct{ AdminRoles []string }
		found, err := u.AdminGet(t.Context(), "/admin/v2/tenants/public", &out)
		if err != nil || !found || len(out.AdminRoles) != 1 {
			t.Fatalf("%v %v %v", found, err, out)
		}
		if n := u.admin.working.Load(); n != 1 {
			t.Errorf("host %d is asked first", n)
		}
	}
	if found, err := u.AdminGet(t.Context(), "/admin/v2/tenants/none", nil); found || err != nil {
		t.Errorf("%v %v", found, err)
	}
	up.Close()
	if _, err := u.AdminGet(t.Context(), "/admin/v2/tenants/public", nil); err == nil {
		t.Error("no error though nobody answers")
	}
	if (&Upstream{}).HasAdmin() {
		t.Error("an admin API without an address")
	}
}

// The token is read again for each request.
func TestAdminTokenIsRenewed(t *testing.T) {
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.Header.Get("Authorization")) }))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, []byte("one\n"))
	a := newTestAdmin(t, Options{AdminURL: s.URL, AuthPlugin: "token", AuthParams: "file://" + file})
	ask(t, a)
	write(t, file, []byte("two"))
	ask(t, a)
	if strings.Join(got, ",") != "Bearer one,Bearer two" {
		t.Errorf("%q", got)
	}
}

func ask(t *testing.T, a *admin) {
	t.Helper()
	if err := a.get(t.Context(), "/", nil); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// authority makes certificates in PEM.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key = a.issue("ca", true, "")
	return a
}

func (a *authority) issue(name string, ca bool, host string) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if host != "" {
		template.DNSNames = []string{host}
	}
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func certPEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

func keyPEM(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// Certificates and authorities are read for each new connection, and whether a
// name has to fit is a setting of its own.
func TestAdminCertificatesAreRenewed(t *testing.T) {
	first, second := newAuthority(t), newAuthority(t)
	serve := func(a *authority) (*httptest.Server, *string) {
		cert, key := a.issue("server", false, "broker.example")
		var client string
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			client = r.TLS.PeerCertificates[0].Subject.CommonName
		}))
		s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}, ClientAuth: tls.RequireAnyClientCert}
		s.StartTLS()
		t.Cleanup(s.Close)
		return s, &client
	}
	one, client1 := serve(first)
	two, client2 := serve(second)
	dir := t.TempDir()
	ca, certFile, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	renew := func(a *authority, name string) {
		cert, key := a.issue(name, false, "")
		write(t, ca, certPEM(a.cert))
		write(t, certFile, certPEM(cert))
		write(t, keyFile, keyPEM(t, key))
	}
	renew(first, "gateway-1")
	options := Options{AdminURL: one.URL, TLS: TLS{TrustCertsFile: ca, CertificateFile: certFile, KeyFile: keyFile}}
	a := newTestAdmin(t, options)
	a.hosts = []string{one.URL}
	ask(t, a)
	a.hosts = []string{two.URL}
	if err := a.get(t.Context(), "/", nil); err == nil {
		t.Fatal("a certificate of an unknown authority is accepted")
	}
	renew(second, "gateway-2")
	ask(t, a)
	if *client1 != "gateway-1" || *client2 != "gateway-2" {
		t.Errorf("the server saw %q and %q", *client1, *client2)
	}
	options.TLS.VerifyHostname = true
	strict := newTestAdmin(t, options)
	strict.hosts = []string{two.URL}
	if err := strict.get(t.Context(), "/", nil); err == nil || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("a certificate for another name is accepted: %v", err)
	}
	// The library's own TLS login, by parameters.
	login := newTestAdmin(t, Options{AdminURL: two.URL, TLS: TLS{TrustCertsFile: ca}, AuthPlugin: "tls", AuthParams: "tlsCertFile:" + certFile + ",tlsKeyFile:" + keyFile})
	ask(t, login)
	renew(second, "gateway-3")
	login.close()
	ask(t, login)
	if *client2 != "gateway-3" {
		t.Errorf("the server saw %q", *client2)
	}
}
