package gateway

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bridge/pulsar"
	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/seldom"
	"github.com/pulsegate/pulsegate/server"
)

const (
	// idleToBroker is how many connections to the broker's web service are kept, each for
	// keptToBroker. A broker closes its own after 30 s.
	idleToBroker = 64
	keptToBroker = 20 * time.Second

	// continueFromBroker is how long the broker may take to ask for a body that its client
	// keeps back until then.
	continueFromBroker = 5 * time.Second
)

// brokerWeb hands requests to the web service of a broker, as [httputil.ReverseProxy] does:
// without the header fields that are for one connection only.
//
// What a client shows of itself goes to the broker as it came, and nothing of our own login
// is ever added: the broker decides about the client. So our certificate is not shown to it either,
// and a client that logs in by a certificate is nobody there.
type brokerWeb struct {
	proxy     *httputil.ReverseProxy
	transport *http.Transport
	target    *url.URL
	trusted   bool   // X-Forwarded-For of those who come is believed
	token     string // names this process in Via, so that a loop is noticed
	log       *slog.Logger

	warned seldom.Line
}

func newBrokerWeb(cfg *config.Config, log *slog.Logger) (*brokerWeb, error) {
	target, err := url.Parse(cfg.BrokerWebServiceURL)
	if err != nil {
		return nil, fmt.Errorf("brokerWebServiceUrl: %w", err)
	}
	tls := pulsar.TLS{
		TrustCertsFile: cfg.BrokerClientTrustCertsFile,
		AllowInsecure:  cfg.TLSAllowInsecure,
		VerifyHostname: cfg.TLSHostnameVerification,
	}
	if cfg.BrokerClientUseKeyStore {
		tls.TrustCertsFile = ""
		tls.TrustStore, _ = brokerStores(cfg)
	}
	dialTLS, err := tls.Dialer()
	if err != nil {
		return nil, fmt.Errorf("brokerWebServiceUrl=%s: %w", cfg.BrokerWebServiceURL, err)
	}
	b := &brokerWeb{target: target, trusted: cfg.TrustXForwardedFor, token: "pulsegate-" + rand.Text()[:10], log: log}
	b.transport = &http.Transport{
		DialContext: (&net.Dialer{Timeout: cfg.BrokerClientConnectionTimeout}).DialContext,
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, cfg.BrokerClientConnectionTimeout)
			defer cancel()
			return dialTLS(ctx, network, addr)
		},
		DisableCompression:    true,
		MaxIdleConnsPerHost:   idleToBroker,
		IdleConnTimeout:       keptToBroker,
		ExpectContinueTimeout: continueFromBroker,
	}
	b.proxy = &httputil.ReverseProxy{
		Rewrite:       b.rewrite,
		Transport:     b.transport,
		FlushInterval: -1,
		BufferPool:    &copyBuffers,
		ErrorHandler:  b.failed,
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return b, nil
}

func (b *brokerWeb) close() { b.transport.CloseIdleConnections() }

// ServeHTTP implements [http.Handler].
func (b *brokerWeb) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(strings.Join(r.Header["Via"], ","), b.token) {
		writeFault(w, http.StatusLoopDetected, "brokerWebServiceUrl leads back to pulsegate: it must be where the broker itself listens")
		return
	}
	b.proxy.ServeHTTP(w, r)
}

// rewrite makes the request that the broker gets. The name by which the client knows us
// stays, as a broker's own service would see it.
func (b *brokerWeb) rewrite(r *httputil.ProxyRequest) {
	out := r.Out
	out.URL.Scheme, out.URL.Host = b.target.Scheme, b.target.Host
	out.URL.RawQuery = r.In.URL.RawQuery // as it came: the broker reads it
	out.Trailer = nil
	// Nothing else than HTTP goes through.
	out.Header.Del("Upgrade")
	out.Header.Del("Connection")
	if out.Body == nil {
		out.Header.Del("Expect")
	}
	out.Header.Add("Via", "1.1 "+b.token)
	if b.trusted {
		out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
	}
	r.SetXForwarded()
	if proto := r.In.Header.Get("X-Forwarded-Proto"); b.trusted && proto != "" {
		out.Header.Set("X-Forwarded-Proto", proto) // TLS ended before it came here
	}
}

// failed answers for a broker that does not, or says what is wrong with the request.
func (b *brokerWeb) failed(w http.ResponseWriter, r *http.Request, err error) {
	status, reason, ok := server.StreamFault(w)
	switch {
	case ok:
	default:
		status, reason = http.StatusBadGateway, "the broker's web service does not answer"
		b.warned.Log(b.log, slog.LevelWarn, reason, "url", b.target.String(), "method", fmt.Sprintf("%.20s", r.Method), "path", fmt.Sprintf("%.200s", r.URL.EscapedPath()), "error", err)
	}
	writeFault(w, status, reason)
}

func writeFault(w http.ResponseWriter, status int, reason string) {
	body, _ := json.Marshal(map[string]string{"reason": reason}) // two texts
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// copyBuffers holds the buffers of answers under way.
var copyBuffers = bufferPool{sync.Pool{New: func() any { return new([32 << 10]byte) }}}

type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) Get() []byte  { return p.pool.Get().(*[32 << 10]byte)[:] }
func (p *bufferPool) Put(b []byte) { p.pool.Put((*[32 << 10]byte)(b)) }
