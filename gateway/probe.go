package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pulsegate/pulsegate/config"
)

// The pages that [Probe] asks for.
const (
	PageHealthy = "/healthz" // 200 as long as the process can answer
	PageReady   = "/readyz"  // 200 while it serves new sessions
)

// Probe asks the gateway that runs on this machine with the same configuration
// for a page, and returns nil when it answers 200. It takes the plain port if there
// is one, else that of TLS, where any certificate will do: nothing is told to it.
func Probe(ctx context.Context, cfg *config.Config, page string) error {
	base, client, err := Here(cfg)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+page, nil)
	if err != nil {
		return err
	}
	response, err := client.Transport.RoundTrip(request)
	if alert := (*net.OpError)(nil); page == PageHealthy && cfg.TLSRequireClientCert && errors.As(err, &alert) && alert.Op == "remote error" {
		return nil // it answers: that a certificate is wanted, which we have not
	}
	if err != nil {
		return fmt.Errorf("no answer at %s: %w", base, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		reason, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		return errors.New(response.Status + ": " + strings.TrimSpace(string(reason)))
	}
	return nil
}

// Here is the address of the gateway that runs on this machine with the same configuration, such as
// http://127.0.0.1:8080, and a client for it. Only answers of this machine are to be expected
// there, so any certificate will do.
func Here(cfg *config.Config) (base string, client *http.Client, err error) {
	scheme, port, key := "http", cfg.WebServicePort, "webServicePort"
	if port == config.NoPort {
		scheme, port, key = "https", cfg.WebServicePortTLS, "webServicePortTls"
	}
	if port <= 0 {
		return "", nil, fmt.Errorf("%s=%d: the system picks the port, so it is not known here", key, port)
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dialSelf(ctx, network, addr, cfg.HAProxyProtocol)
		},
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: true,
	}
	return scheme + "://" + net.JoinHostPort(reachable(cfg.BindAddress), strconv.Itoa(port)), &http.Client{Transport: transport}, nil
}

// PagesHere is where the operator's pages of that gateway are, as Here.
func PagesHere(cfg *config.Config) (base string, client *http.Client, err error) {
	switch {
	case !cfg.OperatorPages:
		return "", nil, errors.New("operatorPages=false: the gateway has none")
	case cfg.OperatorServicePort == config.NoPort:
		return Here(cfg)
	case cfg.OperatorServicePort == 0:
		return "", nil, errors.New("operatorServicePort=0: the system picks the port, so it is not known here")
	}
	return "http://" + net.JoinHostPort(reachable(cfg.OperatorBindAddress), strconv.Itoa(cfg.OperatorServicePort)), &http.Client{}, nil
}

// reachable is where who listens at bind can be reached from the same machine.
func reachable(bind string) string {
	addr, err := netip.ParseAddr(bind)
	switch {
	case bind == "" || err == nil && addr.IsUnspecified() && addr.Is4():
		return "127.0.0.1"
	case err == nil && addr.IsUnspecified():
		return "::1"
	}
	return bind
}

// dialSelf connects; where the gateway demands HAProxy's PROXY header, it gets the
// one of a proxy's own checks.
func dialSelf(ctx context.Context, network, addr string, proxyHeader bool) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil || !proxyHeader {
		return conn, err
	}
	if _, err := io.WriteString(conn, "PROXY UNKNOWN\r\n"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
