package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/pulsegate/pulsegate/filename"
)

const (
	wellKnown = ".well-known/openid-configuration"
	// maxDocument bounds what is read of an issuer's answer, in bytes.
	maxDocument = 1 << 20
)

// discovery fetches the keys of issuers over HTTP.
type discovery struct {
	trustFile     string // PEM; "": the system's authorities
	plain         bool   // http:// will do, too
	connect, read time.Duration
}

// roots reads the trusted authorities; nil stands for the system's.
func (d discovery) roots() (*x509.CertPool, error) {
	if d.trustFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(d.trustFile)
	if err != nil {
		return nil, filename.Fault(err, d.trustFile)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: it holds no certificate in PEM", d.trustFile)
	}
	return pool, nil
}

// fetch asks an issuer where its keys are, and fetches them. The authorities are read
// each time, so that they may be renewed.
func (d discovery) fetch(ctx context.Context, issuer string) (*keySet, error) {
	roots, err := d.roots()
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Transport: &http.Transport{
			Proxy:             http.ProxyFromEnvironment,
			DialContext:       (&net.Dialer{Timeout: d.connect}).DialContext,
			TLSClientConfig:   &tls.Config{RootCAs: roots},
			DisableKeepAlives: true, // the next fetch is hours away
			ForceAttemptHTTP2: true,
		},
		// An issuer that redirects is asked nothing more, as by the Java proxy: the
		// authority for its keys is its own address.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       d.connect + d.read,
	}
	at := strings.TrimSuffix(issuer, "/") + "/" + wellKnown
	data, err := d.get(ctx, client, at)
	if err != nil {
		return nil, err
	}
	meta, err := parseMetadata(data, issuer)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	if data, err = d.get(ctx, client, meta.JWKSURI); err != nil {
		return nil, err
	}
	keys, err := parseKeySet(data)
	if err != nil {
		return nil, fmt.Errorf("%.200s: %w", meta.JWKSURI, err)
	}
	return keys, nil
}

func (d discovery) get(ctx context.Context, client *http.Client, at string) ([]byte, error) {
	if err := checkIssuerURL(at, d.plain); err != nil {
		return nil, fmt.Errorf("%.200q: %w", at, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%.200s: status %d", at, resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%.200s: %w", at, err)
	case len(data) > maxDocument:
		return nil, fmt.Errorf("%.200s: more than %d bytes", at, maxDocument)
	}
	return data, nil
}

// checkIssuerURL refuses addresses that keys must not come from.
func checkIssuerURL(s string, plain bool) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "":
		return errors.New("it is not a URL such as https://issuer.example.com")
	case u.Scheme != "https" && (u.Scheme != "http" || !plain):
		return errors.New("it does not use https")
	case u.User != nil:
		return errors.New("it must not hold a user or password")
	}
	return nil
}
