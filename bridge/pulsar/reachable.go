package pulsar

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

const (
	// outOfReachAfter is how long a request waits for a cluster at which nothing
	// listens, and thus how long an outage sessions are opened across.
	outOfReachAfter = 3 * time.Second
	// probeTimeout bounds one attempt to connect.
	probeTimeout = time.Second
)

// reachability tells whether anything listens where the cluster is looked up.
type reachability struct{ hosts []string }

// newReachability takes a service URL, which may name several hosts.
func newReachability(serviceURL string) (reachability, error) {
	scheme, rest, ok := strings.Cut(serviceURL, "://")
	if !ok {
		return reachability{}, fmt.Errorf("service URL %q has no scheme", serviceURL)
	}
	rest, _, _ = strings.Cut(rest, "/")
	port := map[string]string{"pulsar": "6650", "pulsar+ssl": "6651", "http": "80", "https": "443"}[scheme]
	var r reachability
	for _, host := range strings.Split(rest, ",") {
		u, err := url.Parse(scheme + "://" + strings.TrimSpace(host))
		if err != nil || u.Hostname() == "" {
			return r, fmt.Errorf("service URL %q: %q is no host:port", serviceURL, host)
		}
		p := u.Port()
		if p == "" {
			p = port
		}
		r.hosts = append(r.hosts, net.JoinHostPort(u.Hostname(), p))
	}
	return r, nil
}

// check opens a connection to one of the hosts and closes it again.
func (r reachability) check(ctx context.Context) error {
	var last error
	for _, host := range r.hosts {
		dialer := net.Dialer{Timeout: probeTimeout}
		conn, err := dialer.DialContext(ctx, "tcp", host)
		if err == nil {
			conn.Close()
			return nil
		}
		last = err
	}
	return last
}

// watch gives an error once nothing can be reached outOfReachAfter from now,
// or later.
func (r reachability) watch(ctx context.Context) (failed <-chan error, stop func()) {
	out := make(chan error, 1)
	return out, r.whenOut(ctx, func(err error) { out <- err })
}

// whenOut calls failed, once, when nothing can be reached outOfReachAfter from now, or later. It has no goroutine until
// then; stop ends it.
func (r reachability) whenOut(ctx context.Context, failed func(error)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(outOfReachAfter, func() {
		for ctx.Err() == nil {
			if err := r.check(ctx); err != nil && ctx.Err() == nil {
				failed(err)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(probeTimeout):
			}
		}
	})
	return func() {
		timer.Stop()
		cancel()
	}
}
