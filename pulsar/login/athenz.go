package login

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/filename"
)

// Of a role token.
const (
	athenzMinExpire = 2 * time.Hour
	athenzMaxExpire = 24 * time.Hour
	// athenzRenewAfter is the age at which a newer one is fetched; should that fail, the old one serves on
	// for as long as it is valid.
	athenzRenewAfter = time.Hour
	// athenzDrift is how long before its end a token counts as expired, as clocks differ.
	athenzDrift = 10 * time.Minute
)

// AthenzOptions of [Athenz]. PEM is given as the file's path, or as
// data:application/x-pem-file;base64,the-content.
type AthenzOptions struct {
	ProviderDomain string // whose roles brokers know
	TenantDomain   string // with TenantService and KeyID: who we are, unless a certificate says so
	TenantService  string
	KeyID          string // "": 0
	PrivateKey     string // PEM
	CertChain      string // PEM file; "": a token signed with the key says who we are
	CACert         string // PEM: who vouches for the server, if there is a certificate; "": the system's trust
	ZTSURL         string
	ZTSProxyURL    string
	// PrincipalHeader carries the token that we sign, RoleHeader the one that we get; "": Athenz-Principal-Auth and Athenz-Role-Auth.
	PrincipalHeader, RoleHeader string
}

// athenz asks Athenz's token service (ZTS) for a role token. The files are read each time, so
// that they may be renewed.
type athenz struct {
	given
	o     AthenzOptions
	proxy *url.URL // nil: none is named
	now   func() time.Time
	where func() string // this machine, as a principal token says it; looked up once
}

// Athenz logs in with a role token of Athenz, as the Java client's AuthenticationAthenz does.
func Athenz(o AthenzOptions) (Login, error) {
	if o.ProviderDomain == "" || o.PrivateKey == "" || o.ZTSURL == "" {
		return nil, errors.New("providerDomain, privateKey and ztsUrl are needed")
	}
	a := &athenz{o: o, now: time.Now, where: sync.OnceValue(ownMachine)}
	a.given = given{token: &kept{ask: a.ask, now: func() time.Time { return a.now() }}, header: cmp.Or(o.RoleHeader, "Athenz-Role-Auth")}
	if o.ZTSProxyURL != "" {
		proxy, err := url.Parse(o.ZTSProxyURL)
		if err != nil {
			return nil, errors.New("ztsProxyUrl is not a URL")
		}
		a.proxy = proxy
	}
	switch {
	case o.CertChain != "":
		if strings.HasPrefix(o.CertChain, "data:") || strings.HasPrefix(o.PrivateKey, "data:") {
			return nil, errors.New("with x509CertChain, that and privateKey must be files")
		}
	case o.TenantDomain == "" || o.TenantService == "":
		return nil, errors.New("tenantDomain and tenantService are needed, or x509CertChain")
	}
	return a, nil
}

// Check reads the files.
func (a *athenz) Check() error {
	if _, err := a.client(); err != nil {
		return err
	}
	if a.o.CertChain != "" {
		return nil
	}
	_, err := a.principal("")
	return err
}

// client makes the client for one request to the service.
func (a *athenz) client() (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	if a.proxy != nil {
		transport.Proxy = http.ProxyURL(a.proxy)
	}
	client := &http.Client{
		Transport: transport,
		// Another server has no business with the token that we sign.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if a.o.CertChain == "" {
		return client, nil
	}
	if a.proxy == nil {
		transport.Proxy = nil
	}
	own, err := tls.LoadX509KeyPair(a.o.CertChain, a.o.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("x509CertChain and privateKey: %w", filename.Fault(err, a.o.CertChain, a.o.PrivateKey))
	}
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}}
	if a.o.CACert == "" {
		return client, nil
	}
	text, err := readPEM("caCert", a.o.CACert)
	if err != nil {
		return nil, err
	}
	trust := x509.NewCertPool()
	if !trust.AppendCertsFromPEM(text) {
		return nil, errors.New("caCert has no certificate")
	}
	transport.TLSClientConfig.RootCAs = trust
	return client, nil
}

// principal signs the token that says who we are, and where.
func (a *athenz) principal(where string) (string, error) {
	text, err := readPEM("privateKey", a.o.PrivateKey)
	if err != nil {
		return "", err
	}
	key, err := parseKey(text)
	if err != nil {
		return "", err
	}
	return nToken(a.o.TenantDomain, a.o.TenantService, cmp.Or(a.o.KeyID, "0"), where, key, a.now())
}

func (a *athenz) Method() string { return "athenz" }

// ask gets a role token from the service.
func (a *athenz) ask(ctx context.Context) (answer, error) {
	began := a.now()
	role, expires, err := a.askService(ctx)
	if err != nil {
		return answer{}, fmt.Errorf("a role token of Athenz: %w", err)
	}
	return answer{token: role, renew: began.Add(athenzRenewAfter), expires: expires.Add(-athenzDrift)}, nil
}

func (a *athenz) askService(ctx context.Context) (role string, expires time.Time, err error) {
	at := fmt.Sprintf("%s/zts/v1/domain/%s/token?minExpiryTime=%d&maxExpiryTime=%d", strings.TrimSuffix(a.o.ZTSURL, "/"),
		url.PathEscape(a.o.ProviderDomain), int(athenzMinExpire.Seconds()), int(athenzMaxExpire.Seconds()))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return "", expires, err
	}
	if a.o.CertChain == "" {
		principal, err := a.principal(a.where())
		if err != nil {
			return "", expires, err
		}
		req.Header.Set(cmp.Or(a.o.PrincipalHeader, "Athenz-Principal-Auth"), principal)
	}
	client, err := a.client()
	if err != nil {
		return "", expires, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", expires, err
	}
	defer resp.Body.Close()
	var said struct {
		Token      string `json:"token"`
		ExpiryTime int64  `json:"expiryTime"` // seconds since 1970
		Message    string `json:"message"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, maxTokenAnswer)).Decode(&said)
	switch {
	case resp.StatusCode != http.StatusOK:
		return "", expires, fmt.Errorf("%s answered %s: %.200q", req.URL.Host, resp.Status, said.Message)
	case err != nil || said.Token == "":
		return "", expires, fmt.Errorf("%s answered with no token", req.URL.Host)
	}
	return said.Token, time.Unix(said.ExpiryTime, 0), nil
}
