package login

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/apache/pulsar-client-go/oauth2"

	"github.com/pulsegate/pulsegate/filename"
)

// oauthDrift is how long before its end a token counts as expired, as clocks differ.
const oauthDrift = time.Minute

// OAuth2Options of [OAuth2].
type OAuth2Options struct {
	IssuerURL string // "": the key file's
	Audience  string
	Scope     string // words separated by spaces
	KeyFile   string // a path or a data: URL
}

// oauthLogin asks an issuer for tokens. The key file is read once, when the login is made.
type oauthLogin struct {
	given
	issuer   *url.URL
	audience string
	scopes   []string
	key      *oauth2.KeyFile
}

// OAuth2 logs in with tokens that an issuer gives for a client's credentials, which it reads now. A token
// is kept until a minute before it expires.
func OAuth2(o OAuth2Options) (Login, error) {
	key, err := oauth2.NewClientCredentialsProviderFromKeyFile(o.KeyFile).GetClientCredentials()
	switch {
	case o.KeyFile == "":
		return nil, errors.New("privateKey is needed")
	case err != nil:
		if !strings.HasPrefix(o.KeyFile, "data:") {
			err = filename.Fault(err, o.KeyFile)
		}
		return nil, fmt.Errorf("privateKey: %w", err)
	case key.ClientID == "":
		return nil, errors.New("privateKey: its JSON has no client_id")
	case cmp.Or(o.IssuerURL, key.IssuerURL) == "":
		return nil, errors.New("issuerUrl is needed, or issuer_url in what privateKey names")
	}
	issuer, err := url.Parse(cmp.Or(o.IssuerURL, key.IssuerURL))
	if err != nil || issuer.Host == "" {
		return nil, errors.New("issuerUrl is not a URL")
	}
	l := &oauthLogin{issuer: issuer, audience: o.Audience, scopes: append(strings.Fields(o.Scope), strings.Fields(key.Scope)...), key: key}
	l.given = given{token: &kept{ask: l.ask, now: time.Now}, header: "Authorization", scheme: "Bearer "}
	return l, nil
}

func (o *oauthLogin) Method() string { return "token" }

func (o *oauthLogin) Refused() { o.token.forget() }

// ask gets a token from the issuer.
func (o *oauthLogin) ask(ctx context.Context) (answer, error) {
	asks := asking{ctx}
	endpoint, err := o.endpoint(asks)
	if err != nil {
		return answer{}, fmt.Errorf("a token by OAuth2 of %s: %w", o.issuer.Host, err)
	}
	said, err := oauth2.NewTokenRetriever(asks).ExchangeClientCredentials(oauth2.ClientCredentialsExchangeRequest{
		TokenEndpoint: endpoint, ClientID: o.key.ClientID, ClientSecret: o.key.ClientSecret, Audience: o.audience, Scopes: o.scopes,
	})
	if err == nil && said.AccessToken == "" {
		err = errors.New("the answer has no token")
	}
	if err != nil {
		return answer{}, fmt.Errorf("a token by OAuth2 of %s: %w", o.issuer.Host, err)
	}
	end := time.Now().Add(time.Duration(said.ExpiresIn)*time.Second - oauthDrift)
	return answer{token: said.AccessToken, renew: end, expires: end}, nil
}

// endpoint asks the issuer where it gives tokens. The library's way to ask has no bound.
func (o *oauthLogin) endpoint(asks asking) (string, error) {
	req, err := http.NewRequest(http.MethodGet, o.issuer.JoinPath(".well-known/openid-configuration").String(), nil)
	if err != nil {
		return "", err
	}
	resp, err := asks.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var said oauth2.OIDCWellKnownEndpoints
	err = json.NewDecoder(resp.Body).Decode(&said)
	switch {
	case resp.StatusCode != http.StatusOK:
		return "", fmt.Errorf("%s answered %s", req.URL.Redacted(), resp.Status)
	case err != nil || said.TokenEndpoint == "":
		return "", fmt.Errorf("%s names no token_endpoint", req.URL.Redacted())
	}
	return said.TokenEndpoint, nil
}

// asking sends requests that end with ctx and reads no more of an answer than maxTokenAnswer.
type asking struct{ ctx context.Context }

// Do implements [oauth2.HTTPAuthTransport].
func (a asking) Do(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(req.WithContext(a.ctx))
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxTokenAnswer), resp.Body}
	}
	return resp, err
}
