//go:build linux

package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Target is the server and how to speak to it.
type Target struct {
	// URL is ws://host:port or wss://host:port, perhaps with a path before /ws; or
	// pulsar://host:port, where clients of Pulsar's own protocol take the place
	// of the sessions.
	URL       string
	V1        bool   // the first version's paths: Namespace is property/cluster/namespace
	Domain    string // persistent or non-persistent
	Namespace string // tenant/namespace
	Token     string // sent as Authorization: Bearer; may be empty
	Params    url.Values
	Deflate   bool   // offer permessage-deflate
	CA        []byte // PEM certificates to trust; empty: those of the system
	Insecure  bool   // trust any certificate
	Cert, Key []byte // PEM, shown to the server; empty: none

	tls    *tls.Config
	native bool
	secure bool
	host   string // as in the URL, for the Host header
	name   string // of the host alone
	prefix string
	addr   netip.AddrPort
}

const resolveTimeout = 10 * time.Second

// resolve reads the URL and finds the address.
func (t *Target) resolve(ctx context.Context) error {
	u, err := url.Parse(t.URL)
	if err != nil || u.Host == "" || u.RawQuery != "" || !slices.Contains([]string{"ws", "wss", "pulsar"}, u.Scheme) {
		return fmt.Errorf("%w: the target %q is not like ws://host:port, wss://host:port or pulsar://host:port", ErrPlan, t.URL)
	}
	if t.Domain != "persistent" && t.Domain != "non-persistent" {
		return fmt.Errorf("%w: the domain %q is neither persistent nor non-persistent", ErrPlan, t.Domain)
	}
	parts, form := 2, "tenant/namespace"
	if t.V1 {
		parts, form = 3, "property/cluster/namespace"
	}
	if segments := strings.Split(t.Namespace, "/"); len(segments) != parts || strings.Contains("/"+t.Namespace+"/", "//") {
		return fmt.Errorf("%w: the namespace %q is not like %s", ErrPlan, t.Namespace, form)
	}
	if t.native = u.Scheme == "pulsar"; t.native {
		return nil
	}
	t.name = u.Hostname()
	if t.tls, err = t.config(); err != nil {
		return err
	}
	t.secure, t.host, t.prefix = u.Scheme == "wss", u.Host, strings.TrimSuffix(u.Path, "/")
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[t.secure]
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return fmt.Errorf("find the target %s: %w", u.Hostname(), err)
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return fmt.Errorf("%w: the target's port: %w", ErrPlan, err)
	}
	// The first address decides, but IPv4 is preferred: its loopback network
	// has more than one address to connect from.
	best := ips[0].Unmap()
	for _, ip := range ips {
		if ip = ip.Unmap(); ip.Is4() {
			best = ip
			break
		}
	}
	t.addr = netip.AddrPortFrom(best, uint16(number))
	return nil
}

func (t *Target) config() (*tls.Config, error) {
	c := &tls.Config{InsecureSkipVerify: t.Insecure, ServerName: t.name}
	if len(t.CA) > 0 {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(t.CA) {
			return nil, fmt.Errorf("%w: there is no certificate in the PEM file to trust", ErrPlan)
		}
	}
	if len(t.Cert)+len(t.Key) > 0 {
		pair, err := tls.X509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("%w: the certificate to show and its key: %w", ErrPlan, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// path is the path of a session's endpoint, without a subscription.
func (t *Target) path(k Kind, topic string) string {
	version := "/ws/v2/"
	if t.V1 {
		version = "/ws/"
	}
	return t.prefix + version + string(k) + "/" + t.Domain + "/" + t.Namespace + "/" + url.PathEscape(topic)
}

// headers are the handshake's further header lines.
func (t *Target) headers() []string {
	var lines []string
	if t.Token != "" {
		lines = append(lines, "Authorization: Bearer "+t.Token)
	}
	if t.Deflate {
		lines = append(lines, "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover")
	}
	return lines
}
