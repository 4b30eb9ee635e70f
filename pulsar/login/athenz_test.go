package login

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/AthenZ/athenz/libs/go/zmssvctoken"
	"github.com/apache/pulsar-client-go/pulsar/auth"

	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
)

// zts is Athenz's token service: it notes what it is asked, and answers as it is told.
type zts struct {
	asked   []*http.Request
	status  int
	answer  string
	expires time.Time
}

func (z *zts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	z.asked = append(z.asked, r)
	if z.status != 0 {
		w.WriteHeader(z.status)
		_, _ = w.Write([]byte(z.answer))
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"token": "role token", "expiryTime": z.expires.Unix()})
}

func startZTS(t *testing.T) (*zts, string) {
	z := &zts{expires: time.Now().Add(2 * time.Hour)}
	s := httptest.NewServer(z)
	t.Cleanup(s.Close)
	return z, s.URL
}

// keys are private keys in each form of PEM.
func keys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	form := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	ecDER, err := x509.MarshalECPrivateKey(ec)
	all := map[string]crypto.Signer{form("EC PRIVATE KEY", ecDER, err): ec, form("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r), nil): r}
	for _, key := range []crypto.Signer{ec, r} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		all[form("PRIVATE KEY", der, err)] = key
	}
	return all
}

// TestAthenzAsTheLibrary asks the token service with each form of key, by a file and by a data: URL, as the library does, which checks
// the token that says who we are.
func TestAthenzAsTheLibrary(t *testing.T) {
	z, at := startZTS(t)
	for text, key := range keys(t) {
		file := filepath.Join(t.TempDir(), "key.pem")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		public, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		check, err := zmssvctoken.NewPubKeyTokenValidator(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range []string{file, "data:application/x-pem-file;base64," + base64.StdEncoding.EncodeToString([]byte(text))} {
			z.asked = nil
			theirs := auth.NewAuthenticationAthenz("pulsar", "shop", "gateway", from, "k1", "", "", "", "", at+"/", "")
			if err := theirs.Init(); err != nil {
				t.Fatal(err)
			}
			if data, err := theirs.GetData(); string(data) != "role token" || err != nil {
				t.Fatalf("%s, %v", data, err)
			}
			_ = theirs.Close()
			ours, err := Athenz(AthenzOptions{ProviderDomain: "pulsar", TenantDomain: "shop", TenantService: "gateway", PrivateKey: from, KeyID: "k1", ZTSURL: at + "/"})
			if err != nil {
				t.Fatal(err)
			}
			if data, err := ours.Data(t.Context()); string(data) != "role token" || err != nil || ours.Method() != theirs.Name() {
				t.Fatalf("%s, %v", data, err)
			}
			if len(z.asked) != 2 || z.asked[0].URL.String() != z.asked[1].URL.String() {
				t.Fatalf("asked %v", z.asked)
			}
			var saw [2]*zmssvctoken.NToken
			for i, r := range z.asked {
				if saw[i], err = check.Validate(r.Header.Get("Athenz-Principal-Auth")); err != nil {
					t.Fatalf("%d: %v", i, err)
				}
				if life := saw[i].ExpiryTime.Sub(saw[i].GenerationTime); life != time.Hour {
					t.Errorf("valid for %v", life)
				}
				saw[i].GenerationTime, saw[i].ExpiryTime = time.Time{}, time.Time{}
			}
			if *saw[0] != *saw[1] {
				t.Errorf("we are %v, not %v", saw[1], saw[0])
			}
		}
	}
}

// TestAthenzByCertificate shows a certificate in the place of a token, and trusts the server by caCert alone.
func TestAthenzByCertificate(t *testing.T) {
	ca := tlstest.New(t)
	own := ca.Issue("gateway", "ecdsa")
	z := &zts{expires: time.Now().Add(2 * time.Hour)}
	s := httptest.NewUnstartedServer(z)
	trust := x509.NewCertPool()
	trust.AddCert(ca.Certificate())
	s.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue("zts", "ecdsa").TLS}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trust}
	s.StartTLS()
	defer s.Close()
	o := AthenzOptions{ProviderDomain: "pulsar", PrivateKey: own.KeyFile, CertChain: own.CertFile, CACert: ca.File, ZTSURL: s.URL, RoleHeader: "X-Role"}
	l, err := Athenz(o)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	if err := l.Authorize(t.Context(), h); err != nil || h.Get("X-Role") != "role token" {
		t.Fatalf("%v, %v", h, err)
	}
	if r := z.asked[0]; r.TLS.PeerCertificates[0].Subject.CommonName != "gateway" || r.Header.Get("Athenz-Principal-Auth") != "" {
		t.Errorf("asked by %v with %v", r.TLS.PeerCertificates[0].Subject, r.Header)
	}
	o.CACert = ""
	if l, err = Athenz(o); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Data(t.Context()); err == nil {
		t.Error("a server that nobody vouches for is trusted")
	}
}

// TestAthenzRenews fetches a newer token after an hour, goes on with the old one while the service fails, and has none
// once that expires.
func TestAthenzRenews(t *testing.T) {
	z, at := startZTS(t)
	now := time.Now()
	z.expires = now.Add(2 * time.Hour)
	l, err := Athenz(AthenzOptions{ProviderDomain: "p", TenantDomain: "d", TenantService: "s", PrivateKey: anyKey(t), ZTSURL: at})
	if err != nil {
		t.Fatal(err)
	}
	l.(*athenz).now = func() time.Time { return now }
	asks := func(want int, works bool) {
		t.Helper()
		if _, err := l.Data(t.Context()); (err == nil) != works || len(z.asked) != want {
			t.Errorf("%v, asked %d times", err, len(z.asked))
		}
	}
	asks(1, true)
	asks(1, true)
	now = now.Add(time.Hour)
	z.expires = now.Add(2 * time.Hour)
	asks(2, true)
	z.status, z.answer = http.StatusInternalServerError, `{"message":"not today"}`
	now = now.Add(time.Hour)
	asks(3, true)
	asks(3, true)
	now = now.Add(time.Minute)
	asks(4, true)
	now = now.Add(time.Hour)
	asks(5, false)
	if _, err := l.Data(t.Context()); err == nil || !strings.Contains(err.Error(), "not today") {
		t.Errorf("why: %v", err)
	}
	asks(5, false) // a failure answers for some seconds
	now = now.Add(askAgain)
	z.status = http.StatusTemporaryRedirect
	if _, err := l.Data(t.Context()); err == nil {
		t.Error("a redirection is a token")
	}
	now = now.Add(askAgain)
	z.status = 0
	z.expires = now.Add(2 * time.Hour)
	if _, err := l.Data(t.Context()); err != nil {
		t.Error(err)
	}
}

func anyKey(t *testing.T) string {
	t.Helper()
	for text := range keys(t) {
		return "data:application/x-pem-file;base64," + base64.StdEncoding.EncodeToString([]byte(text))
	}
	panic("no key")
}

func TestAthenzAtFault(t *testing.T) {
	key, own := anyKey(t), tlstest.New(t).Issue("gateway", "ecdsa")
	good := AthenzOptions{ProviderDomain: "p", TenantDomain: "d", TenantService: "s", PrivateKey: key, ZTSURL: "http://zts"}
	for want, change := range map[string]func(*AthenzOptions){
		"providerDomain": func(o *AthenzOptions) { o.ProviderDomain = "" },
		"ztsUrl":         func(o *AthenzOptions) { o.ZTSURL = "" },
		"privateKey":     func(o *AthenzOptions) { o.PrivateKey = "" },
		"tenantService":  func(o *AthenzOptions) { o.TenantService = "" },
		"ztsProxyUrl":    func(o *AthenzOptions) { o.ZTSProxyURL = "http://secret:%zz@x" },
		"privateKey: not data:application/x-pem-file": func(o *AthenzOptions) { o.PrivateKey = "data:secret" },
		"privateKey is not PEM": func(o *AthenzOptions) {
			o.PrivateKey = "data:application/x-pem-file;base64," + base64.StdEncoding.EncodeToString([]byte("secret"))
		},
		"privateKey: it is not the path":                   func(o *AthenzOptions) { o.PrivateKey = "-----BEGIN PRIVATE KEY-----secret" },
		"x509CertChain and privateKey: it is not the path": func(o *AthenzOptions) { o.CertChain, o.PrivateKey = own.CertFile, "Data:secret" },
		"must be files":                  func(o *AthenzOptions) { o.CertChain = "cert.pem" },
		"x509CertChain and privateKey: ": func(o *AthenzOptions) { o.CertChain, o.PrivateKey = "/no/such/file", "key.pem" },
		"caCert: open /no/such/file": func(o *AthenzOptions) {
			o.CertChain, o.PrivateKey, o.CACert = own.CertFile, own.KeyFile, "/no/such/file"
		},
		"caCert has no certificate": func(o *AthenzOptions) { o.CertChain, o.PrivateKey, o.CACert = own.CertFile, own.KeyFile, own.KeyFile },
	} {
		o := good
		change(&o)
		l, err := Athenz(o)
		if err == nil {
			err = l.Check()
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", want, err)
		}
	}
	l, err := Athenz(good)
	if err != nil || l.Check() != nil {
		t.Error(err)
	}
}

// TestAthenzLooksItselfUpOnce asks nobody in Check, and then where this machine is once for all tokens.
func TestAthenzLooksItselfUpOnce(t *testing.T) {
	z, at := startZTS(t)
	z.expires = time.Now()
	l, err := Athenz(AthenzOptions{ProviderDomain: "p", TenantDomain: "d", TenantService: "s", PrivateKey: anyKey(t), ZTSURL: at})
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	l.(*athenz).where = sync.OnceValue(func() string { looked++; return ";h=here" })
	if err := l.Check(); err != nil || looked != 0 {
		t.Errorf("%v, looked up %d times", err, looked)
	}
	for range 2 {
		if _, err := l.Data(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if who := z.asked[1].Header.Get("Athenz-Principal-Auth"); looked != 1 || len(z.asked) != 2 || !strings.Contains(who, ";h=here;a=") {
		t.Errorf("looked up %d times, asked %d times, by %s", looked, len(z.asked), who)
	}
}

// TestOwnAddressIsBounded has a resolver that does not answer.
func TestOwnAddressIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		ip := ownIPv4("here", func(ctx context.Context, _ string) ([]string, error) { <-ctx.Done(); return nil, ctx.Err() })
		if took := time.Since(begun); ip != "" || took != lookupTimeout {
			t.Errorf("%q after %v", ip, took)
		}
	})
	if ip := ownIPv4("here", func(context.Context, string) ([]string, error) { return []string{"::1", "127.0.0.1", "10.1.2.3"}, nil }); ip != "10.1.2.3" {
		t.Error(ip)
	}
}
