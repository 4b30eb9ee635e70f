// Package ask asks a running gateway what package operator answers, and prints it for people.
package ask

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/pulsegate/pulsegate/operator"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 20

// Client asks one gateway. It may be used from any goroutine.
type Client struct {
	base   string // such as http://127.0.0.1:8080
	http   *http.Client
	header http.Header
}

// New makes a client of the gateway at base. header goes along with every request.
func New(base string, client *http.Client, header http.Header) *Client {
	return &Client{strings.TrimSuffix(base, "/"), client, header}
}

// CheckURL tells what is wrong with the address of a gateway.
func CheckURL(base string) error {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.User != nil {
		shown, _, _ := strings.Cut(base, "?")
		if i := strings.LastIndexByte(shown, '@'); i >= 0 {
			shown = shown[i+1:] // without a password
		}
		return fmt.Errorf("%q: expected the address of a gateway, such as http://localhost:8080", shown)
	}
	return nil
}

// Status asks for the gateway at a glance.
func (c *Client) Status(ctx context.Context) (s operator.Status, err error) {
	return s, c.get(ctx, "status", nil, &s)
}

// Sessions asks for sessions; the query is that of the page.
func (c *Client) Sessions(ctx context.Context, query url.Values) (s operator.Sessions, err error) {
	return s, c.get(ctx, "sessions", query, &s)
}

// Topics asks for topics.
func (c *Client) Topics(ctx context.Context, query url.Values) (t operator.Topics, err error) {
	return t, c.get(ctx, "topics", query, &t)
}

// Upstream asks for what the gateway has at the brokers.
func (c *Client) Upstream(ctx context.Context, query url.Values) (u operator.Upstream, err error) {
	return u, c.get(ctx, "upstream", query, &u)
}

// Brokers asks for the connections to brokers.
func (c *Client) Brokers(ctx context.Context, query url.Values) (b operator.Brokers, err error) {
	return b, c.get(ctx, "brokers", query, &b)
}

// Refusals asks for the last clients that were refused.
func (c *Client) Refusals(ctx context.Context, query url.Values) (r operator.Refusals, err error) {
	return r, c.get(ctx, "refusals", query, &r)
}

// Config asks for the configuration in effect, in which secrets are masked, as lines of a file.
func (c *Client) Config(ctx context.Context) (string, error) {
	answer, err := c.do(ctx, http.MethodGet, "config", nil, nil)
	if err == nil && !bytes.HasPrefix(answer, []byte("# ")) { // where the first key was set
		err = fmt.Errorf("%s%sconfig: the answer is not from a pulsegate of this version", c.base, operator.Prefix)
	}
	return string(answer), err
}

// CloseSession ends a session. reason "" leaves the words to the gateway.
func (c *Client) CloseSession(ctx context.Context, id uint64, reason string) error {
	query := url.Values{}
	if reason != "" {
		query.Set("reason", reason)
	}
	_, err := c.do(ctx, http.MethodDelete, fmt.Sprintf("sessions/%d", id), query, nil)
	return err
}

// SetLevel changes the log level.
func (c *Client) SetLevel(ctx context.Context, level string) error {
	body, err := json.Marshal(map[string]string{"level": level})
	if err == nil {
		_, err = c.do(ctx, http.MethodPut, "log-level", nil, body)
	}
	return err
}

// Profile takes a profile; the query may say for how many seconds.
func (c *Client) Profile(ctx context.Context, name string, query url.Values) ([]byte, error) {
	return c.do(ctx, http.MethodPost, "profiles/"+url.PathEscape(name), query, nil)
}

func (c *Client) get(ctx context.Context, page string, query url.Values, into any) error {
	answer, err := c.do(ctx, http.MethodGet, page, query, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s%s%s: the answer is not from a pulsegate of this version: %w", c.base, operator.Prefix, page, err)
	}
	return nil
}

func (c *Client) do(ctx context.Context, method, page string, query url.Values, body []byte) ([]byte, error) {
	target := c.base + operator.Prefix + page
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range c.header {
		request.Header[name] = values
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("no answer at %s: %w%s", c.base, errors.Unwrap(err), otherScheme(c.base, err))
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("the answer of %s: %w", c.base, err)
	}
	if response.StatusCode == http.StatusOK {
		return answer, nil
	}
	var why struct {
		Reason string `json:"reason"`
	}
	if json.Unmarshal(answer, &why) != nil || why.Reason == "" {
		why.Reason = "is this a pulsegate, with operatorPages on?"
	}
	switch {
	case response.StatusCode == http.StatusNotFound && why.Reason == "Not Found":
		why.Reason = "this pulsegate has no operator's pages here: operatorPages is false, or operatorServicePort says where they are"
	case response.StatusCode == http.StatusUnauthorized && c.header.Get("Authorization") == "":
		why.Reason += "; log in as a super-user with --token-file or --token"
	}
	return nil, &Refused{c.base, response.Status, why.Reason, response.StatusCode == http.StatusBadRequest}
}

// Refused is a gateway's answer that says no.
type Refused struct {
	base, status, reason string

	// Asked tells that the question was wrong: a field that there is not, a value that none can have.
	Asked bool
}

func (r *Refused) Error() string { return r.base + ": " + r.status + ": " + r.reason }

// otherScheme says what to try where one side speaks TLS and the other does not, "" where that is not it.
func otherScheme(base string, err error) string {
	host, secure := strings.CutPrefix(base, "https://")
	if secure && strings.Contains(err.Error(), "gave HTTP response to HTTPS client") {
		return "; try http://" + host
	}
	return ""
}
