package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
	"github.com/pulsegate/pulsegate/test/port"
)

// besideBroker runs a gateway that hands other HTTP to h.
func besideBroker(t *testing.T, h http.HandlerFunc, change func(*config.Config)) (url string) {
	t.Helper()
	broker := httptest.NewServer(h)
	t.Cleanup(broker.Close)
	addr, _, _ := serve(t, func(c *config.Config) {
		c.BrokerWebServiceURL = broker.URL
		if change != nil {
			change(c)
		}
	})
	return "http://" + addr
}

// ask sends a request as it is written and returns the answer.
func ask(t *testing.T, url, request string) (*http.Response, string) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(url, "http://"))
		},
	}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	lines := strings.Split(request, "\n")
	method, target, _ := strings.Cut(lines[0], " ")
	req, err := http.NewRequestWithContext(t.Context(), method, "http://the.host"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// dump answers with the request as it came to the broker.
func dump(w http.ResponseWriter, r *http.Request) {
	b, _ := httputil.DumpRequest(r, true)
	w.Header().Set("X-Broker", "yes")
	w.Header().Set("Keep-Alive", "timeout=1")
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write(b)
}

// What the broker gets is what the client sent, but for what is for one connection only and
// what others could have put there to pretend to be somebody.
func TestWhatTheBrokerGets(t *testing.T) {
	const request = "GET /lookup/v2/topic/a%2Fb/x?q=%zz&a;b=1\n" +
		"Authorization: Bearer abc\nX-Original-Principal: someone\nX-Forwarded-For: 1.2.3.4\nX-Forwarded-Proto: https\nForwarded: for=1.2.3.4\n" +
		"Connection: Upgrade, X-Secret-Hop\nX-Secret-Hop: 1\nUpgrade: h2c\nProxy-Authorization: x\nCookie: a=b"
	login := func(c *config.Config) {
		c.BrokerClientAuthPlugin, c.BrokerClientAuthParams = config.AuthToken, "token:ours"
	}
	resp, got := ask(t, besideBroker(t, dump, login), request)
	if resp.StatusCode != http.StatusAccepted || resp.Header.Get("X-Broker") != "yes" || resp.Header.Get("Keep-Alive") != "" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	for _, want := range []string{"GET /lookup/v2/topic/a%2Fb/x?q=%zz&a;b=1 HTTP/1.1\r\n", "Host: the.host\r\n", "Authorization: Bearer abc\r\n", "X-Original-Principal: someone\r\n",
		"Cookie: a=b\r\n", "X-Forwarded-For: 127.0.0.1\r\n", "X-Forwarded-Proto: http\r\n", "X-Forwarded-Host: the.host\r\n", "Via: 1.1 pulsegate-"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	for _, no := range []string{"1.2.3.4", "Secret-Hop", "h2c", "Proxy-Authorization", "ours", "Accept-Encoding: gzip\r\nAccept-Encoding"} {
		if strings.Contains(got, no) {
			t.Errorf("%q is in %q", no, got)
		}
	}
	trusted := besideBroker(t, dump, func(c *config.Config) { c.TrustXForwardedFor = true })
	if _, got := ask(t, trusted, request); !strings.Contains(got, "X-Forwarded-For: 1.2.3.4, 127.0.0.1\r\n") || !strings.Contains(got, "X-Forwarded-Proto: https\r\n") {
		t.Errorf("behind a trusted proxy: %q", got)
	}
}

// Redirects are for the client, as are errors.
func TestBrokersAnswers(t *testing.T) {
	url := besideBroker(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "http://other:8080/moved", http.StatusTemporaryRedirect)
			return
		}
		http.Error(w, "why", http.StatusPreconditionFailed)
	}, nil)
	if resp, _ := ask(t, url, "GET /moved"); resp.StatusCode != 307 || resp.Header.Get("Location") != "http://other:8080/moved" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	if resp, body := ask(t, url, "DELETE /x"); resp.StatusCode != 412 || body != "why\n" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

// A broker that is not there, one that breaks off, and one that is ourselves.
func TestBrokerThatDoesNotAnswer(t *testing.T) {
	gone := "http://" + port.Deaf(t).String()
	addr, log, _ := serve(t, func(c *config.Config) { c.BrokerWebServiceURL = gone })
	if resp, body := ask(t, "http://"+addr, "GET /admin/v2/clusters?token=hidden"); resp.StatusCode != 502 || !strings.Contains(body, `"reason":"the broker's web service does not answer"`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if text := log.String(); !strings.Contains(text, "does not answer") || strings.Contains(text, "hidden") {
		t.Errorf("log: %s", text)
	}

	url := besideBroker(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, nil)
	resp, err := http.Get(url + "/x")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	if err == nil {
		t.Error("half an answer looks whole")
	}
	http.DefaultClient.CloseIdleConnections()

	self := freeAddress(t)
	_, number, _ := net.SplitHostPort(self)
	_, _, _ = serve(t, func(c *config.Config) {
		c.BrokerWebServiceURL = "http://" + self
		_, _ = fmt.Sscan(number, &c.WebServicePort)
	})
	if resp, body := ask(t, "http://"+self, "GET /admin/v2/clusters"); resp.StatusCode != 508 || !strings.Contains(body, "leads back") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// Over TLS the broker's certificate is checked, and none of ours is shown: it would make a
// client somebody it is not.
func TestBrokerOverTLS(t *testing.T) {
	ca := tlstest.New(t)
	broker := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %d", r.Host, len(r.TLS.PeerCertificates))
	}))
	broker.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	broker.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	broker.StartTLS()
	t.Cleanup(broker.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: broker.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	own := ca.Issue("client", "ecdsa")
	for trusted, want := range map[string]int{authority: 200, "": 502} {
		addr, _, _ := serve(t, func(c *config.Config) {
			c.BrokerWebServiceURL, c.BrokerClientTrustCertsFile = broker.URL, trusted
			c.BrokerClientTLSCertificateFile, c.BrokerClientTLSKeyFile = own.CertFile, own.KeyFile
		})
		if resp, body := ask(t, "http://"+addr, "GET /x"); resp.StatusCode != want || want == 200 && body != "the.host 0" {
			t.Errorf("trusting %q: %d %q", trusted, resp.StatusCode, body)
		}
	}
}

// freeAddress is an address on which nothing listens, and which no client is given meanwhile.
func freeAddress(t *testing.T) string {
	t.Helper()
	ports, err := port.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))
}

// Long bodies go through whole, in both directions at once; sessions are served beside them.
func TestLongBodies(t *testing.T) {
	url := besideBroker(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(w, r.Body)
	}, nil)
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	for name, body := range map[string]io.Reader{"counted": bytes.NewReader(data), "chunked": io.MultiReader(bytes.NewReader(data))} {
		resp, err := http.Post(url+"/admin/v3/functions", "application/octet-stream", body)
		if err != nil {
			t.Fatal(name, err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d of %d bytes, %v", name, len(got), len(data), err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	dial(t, strings.TrimPrefix(url, "http://"), "/ws/v2/producer/persistent/public/default/t")
}
