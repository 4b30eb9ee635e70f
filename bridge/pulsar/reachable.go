package pulsar

import (
	"context"
	"net"
	"sync"
	"time"

	client "github.com/pulsegate/pulsegate/pulsar"
)

const (
	// outOfReachAfter is how long a request waits for a cluster at which nothing
	// listens, and thus how long an outage sessions are opened across.
	outOfReachAfter = 3 * time.Second
	// probeTimeout bounds one attempt to connect.
	probeTimeout = time.Second
	// probeEvery is how long a probe's outcome is believed.
	probeEvery = time.Second
)

// reachability tells whether anything listens where the cluster is looked up. However many ask, there is one probe at a
// time, and a second's pause after each: those who ask meanwhile share its outcome.
type reachability struct {
	hosts []string // host:port
	dial  func(ctx context.Context, host string) error

	mu      sync.Mutex    // guards what follows
	probing chan struct{} // closed when the probe that is under way ends; nil: there is none
	at      time.Time     // of the last outcome
	last    error         // nil: it was reached
}

// newReachability takes a service URL, which may name several hosts.
func newReachability(serviceURL string) (*reachability, error) {
	hosts, err := client.ServiceHosts(serviceURL)
	return &reachability{hosts: hosts, dial: dialTCP}, err
}

// dialTCP opens a connection and closes it again.
func dialTCP(ctx context.Context, host string) error {
	dialer := net.Dialer{Timeout: probeTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", host)
	if err != nil {
		return err
	}
	return conn.Close()
}

// check tells whether one of the hosts can be reached, or could a moment ago.
func (r *reachability) check(ctx context.Context) error {
	for {
		r.mu.Lock()
		if !r.at.IsZero() && time.Since(r.at) < probeEvery {
			defer r.mu.Unlock()
			return r.last
		}
		other := r.probing
		if other == nil {
			r.probing = make(chan struct{})
		}
		r.mu.Unlock()
		if other == nil {
			return r.probe(ctx)
		}
		select {
		case <-other: // has an outcome, unless who probed gave up
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// probe tries the hosts in turn, and notes the outcome for others, unless ctx ended first.
func (r *reachability) probe(ctx context.Context) error {
	var err error
	for _, host := range r.hosts {
		if err = r.dial(ctx, host); err == nil {
			break
		}
	}
	r.mu.Lock()
	if err == nil || ctx.Err() == nil {
		r.at, r.last = time.Now(), err
	}
	close(r.probing)
	r.probing = nil
	r.mu.Unlock()
	return err
}

// watch gives an error once nothing can be reached outOfReachAfter from now,
// or later.
func (r *reachability) watch(ctx context.Context) (failed <-chan error, stop func()) {
	out := make(chan error, 1)
	return out, r.whenOut(ctx, func(err error) { out <- err })
}

// whenOut calls failed, once, when nothing can be reached outOfReachAfter from now, or later. It has no goroutine until
// then; stop ends it.
func (r *reachability) whenOut(ctx context.Context, failed func(error)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(outOfReachAfter, func() {
		for ctx.Err() == nil {
			if err := r.check(ctx); err != nil && ctx.Err() == nil {
				failed(err)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(probeEvery):
			}
		}
	})
	return func() {
		timer.Stop()
		cancel()
	}
}
