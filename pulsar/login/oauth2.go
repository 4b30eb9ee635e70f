package login

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/apache/pulsar-client-go/oauth2"
	"github.com/apache/pulsar-client-go/oauth2/cache"
)

// OAuth2Options of [OAuth2].
type OAuth2Options struct {
	IssuerURL string // "": the key file's
	Audience  string
	Scope     string // words separated by spaces
	KeyFile   string // a path or a data: URL
}

type oauthLogin struct {
	none
	source cache.CachingTokenSource
}

// OAuth2 logs in with tokens that an issuer gives for a client's credentials. A token
// is kept until a minute before it expires.
func OAuth2(o OAuth2Options) (Login, error) {
	flow, err := oauth2.NewDefaultClientCredentialsFlow(oauth2.ClientCredentialsFlowOptions{
		KeyFile: o.KeyFile, IssuerURL: o.IssuerURL, AdditionalScopes: strings.Split(o.Scope, " "),
	})
	if err != nil {
		return nil, err
	}
	source, err := cache.NewDefaultTokenCache(o.Audience, flow)
	if err != nil {
		return nil, err
	}
	return &oauthLogin{source: source}, nil
}

func (o *oauthLogin) Method() string { return "token" }

func (o *oauthLogin) Data() ([]byte, error) {
	token, err := o.source.Token()
	if err != nil {
		return nil, fmt.Errorf("a token by OAuth2: %w", err)
	}
	return []byte(token.AccessToken), nil
}

func (o *oauthLogin) Authorize(h http.Header) error {
	token, err := o.source.Token()
	if err != nil {
		return fmt.Errorf("a token by OAuth2: %w", err)
	}
	token.SetAuthHeader(&http.Request{Header: h})
	return nil
}

func (o *oauthLogin) Refused() { _ = o.source.InvalidateToken() } // it only forgets
