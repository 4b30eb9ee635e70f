package pulsar

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/login"
)

// DefaultOperationTimeout is the one of [Options].
const DefaultOperationTimeout = 30 * time.Second

// Options of a [Client].
type Options struct {
	// ServiceURL is pulsar://host:port, pulsar+ssl://host:port, or for lookups
	// over HTTP http://host:port or https://host:port. More hosts follow after commas;
	// each is tried when the one before does not answer.
	ServiceURL string
	// Login tells brokers who we are; nil: none.
	Login login.Login
	// TLS makes the configuration for each connection that is encrypted, so that
	// certificates may be renewed; nil: the system's trust. The client fills in
	// ServerName, and the login's certificate if the login has one.
	TLS func() (*tls.Config, error)
	// ListenerName picks among the addresses that brokers advertise; "": their choice.
	ListenerName string

	// ConnectionsPerBroker; 0: 1.
	ConnectionsPerBroker int
	// ConnectionTimeout bounds the opening of a TCP connection; 0: 5 s.
	ConnectionTimeout time.Duration
	// OperationTimeout bounds each request, and all attempts to create a producer; 0: 30 s.
	OperationTimeout time.Duration
	// KeepAlive is how often a connection is probed; one from which nothing came for
	// twice as long is closed; 0: 30 s.
	KeepAlive time.Duration
	// MemoryLimit bounds the bytes of the payloads of unanswered publishes; 0: no bound.
	MemoryLimit int64
	// Windows bounds what all consumers together may have granted and held, chunks of messages that are not whole included; nil:
	// [ConsumerOptions.WindowBytes] and MaxChunked bound each.
	Windows Windows
	// MinBackoff and MaxBackoff are how long the first attempt to reconnect waits and
	// how long one waits at most, with up to a tenth less by chance; 0: 100 ms and 60 s.
	MinBackoff, MaxBackoff time.Duration

	// MaxPrincipals bounds the roles on whose behalf connections are open; 0: 1000.
	MaxPrincipals int
	// PrincipalIdle is how long those of a role stay that nobody uses; 0: a minute.
	PrincipalIdle time.Duration

	// Log gets what an operator should know; nil: [slog.Default].
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		x   *time.Duration
		def time.Duration
	}{
		{&o.ConnectionTimeout, 5 * time.Second}, {&o.OperationTimeout, DefaultOperationTimeout}, {&o.KeepAlive, 30 * time.Second},
		{&o.MinBackoff, 100 * time.Millisecond}, {&o.MaxBackoff, time.Minute}, {&o.PrincipalIdle, time.Minute},
	} {
		if *d.x <= 0 {
			*d.x = d.def
		}
	}
	if o.ConnectionsPerBroker <= 0 {
		o.ConnectionsPerBroker = 1
	}
	if o.MaxPrincipals <= 0 {
		o.MaxPrincipals = 1000
	}
	if o.Login == nil {
		o.Login = login.None()
	}
	if o.TLS == nil {
		o.TLS = func() (*tls.Config, error) { return &tls.Config{}, nil }
	}
	if o.Windows == nil {
		o.Windows = unbounded{}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// service is where lookups go.
type service struct {
	http  bool
	tls   bool
	hosts []string // host:port
}

// ServiceHosts lists the hosts that a service URL names, each with its port.
func ServiceHosts(url string) ([]string, error) {
	s, err := parseService(url)
	return s.hosts, err
}

var defaultPorts = map[string]string{"pulsar": "6650", "pulsar+ssl": "6651", "http": "80", "https": "443"}

// parseService reads a service URL, of one host or more.
func parseService(url string) (s service, err error) {
	scheme, rest, ok := strings.Cut(url, "://")
	port := defaultPorts[scheme]
	if !ok || port == "" {
		return s, fmt.Errorf("service URL %q does not start with pulsar://, pulsar+ssl://, http:// or https://", url)
	}
	s.http = strings.HasPrefix(scheme, "http")
	s.tls = scheme == "pulsar+ssl" || scheme == "https"
	for host := range strings.SplitSeq(strings.TrimSuffix(rest, "/"), ",") {
		host = strings.TrimSpace(host)
		if _, after, ok := strings.Cut(host, "://"); ok {
			host = after // pulsar://a:1,pulsar://b:2
		}
		if strings.ContainsAny(host, "/?#@ ") || host == "" || host == ":" {
			return s, fmt.Errorf("service URL %q: %q is not host:port", url, host)
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			if host = net.JoinHostPort(strings.Trim(host, "[]"), port); strings.Count(host, ":") > 1 && !strings.Contains(host, "[") {
				return s, fmt.Errorf("service URL %q: %w", url, err)
			}
		}
		s.hosts = append(s.hosts, host)
	}
	if len(s.hosts) == 0 {
		return s, errors.New("service URL without a host")
	}
	return s, nil
}
