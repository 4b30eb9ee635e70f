package pulsar

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/apache/pulsar-client-go/pulsar/auth"
)

// renewed is a login whose library reads its file once: when the file has
// changed, the next use makes a new one of it. A new one that does not work
// leaves the old one in place.
type renewed struct {
	file string
	make func() (auth.Provider, error)

	mu        sync.Mutex // guards what follows
	current   auth.Provider
	ready     bool // Init was called
	transport http.RoundTripper
	size      int64
	modified  time.Time
}

var _ auth.Provider = (*renewed)(nil)

// newRenewed makes the first one. file may be no file: then nothing is renewed.
func newRenewed(file string, create func() (auth.Provider, error)) (*renewed, error) {
	first, err := create()
	if err != nil {
		return nil, err
	}
	r := &renewed{file: file, make: create, current: first}
	r.changed()
	return r, nil
}

// changed looks at the file and notes how it is now. The caller holds mu, or
// has the only reference.
func (r *renewed) changed() bool {
	info, err := os.Stat(r.file)
	if err != nil || info.Size() == r.size && info.ModTime().Equal(r.modified) {
		return false
	}
	r.size, r.modified = info.Size(), info.ModTime()
	return true
}

// use returns the login to use now.
func (r *renewed) use() auth.Provider {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ready || !r.changed() {
		return r.current
	}
	next, err := r.make()
	if err == nil {
		err = next.Init()
	}
	if err == nil && r.transport != nil {
		err = next.WithTransport(r.transport)
	}
	if err == nil {
		r.current = next
	}
	return r.current
}

// Init implements [auth.Provider].
func (r *renewed) Init() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.current.Init(); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	r.ready = true
	return nil
}

// Name implements [auth.Provider].
func (r *renewed) Name() string { return r.use().Name() }

// GetTLSCertificate implements [auth.Provider].
func (r *renewed) GetTLSCertificate() (*tls.Certificate, error) { return r.use().GetTLSCertificate() }

// GetData implements [auth.Provider].
func (r *renewed) GetData() ([]byte, error) { return r.use().GetData() }

// Close implements [auth.Provider].
func (r *renewed) Close() error { return r.use().Close() }

// RoundTrip implements [http.RoundTripper].
func (r *renewed) RoundTrip(req *http.Request) (*http.Response, error) { return r.use().RoundTrip(req) }

// Transport implements [auth.HTTPRoundTripper].
func (r *renewed) Transport() http.RoundTripper { return r.use().Transport() }

// WithTransport implements [auth.HTTPRoundTripper].
func (r *renewed) WithTransport(t http.RoundTripper) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.transport = t
	return r.current.WithTransport(t)
}
