package pulsar

import (
	"context"
	"crypto/tls"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/login"
)

// renewed is a login that reads its file once, when it is made: when the file has
// changed, the next use makes a new one of it. A new one that does not work
// leaves the old one in place.
type renewed struct {
	file string
	make func() (login.Login, error)

	mu       sync.Mutex // guards what follows
	current  login.Login
	size     int64
	modified time.Time
}

// newRenewed makes the first one. file may be no file: then nothing is renewed.
func newRenewed(file string, create func() (login.Login, error)) (*renewed, error) {
	r := &renewed{file: file, make: create}
	r.changed() // before it is read: what is written meanwhile will be read again
	var err error
	r.current, err = create()
	if err != nil {
		return nil, err
	}
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
func (r *renewed) use() login.Login {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.changed() {
		return r.current
	}
	if next, err := r.make(); err == nil && next.Check() == nil {
		r.current = next
	}
	return r.current
}

// Method implements [login.Login].
func (r *renewed) Method() string { return r.use().Method() }

// Data implements [login.Login].
func (r *renewed) Data(ctx context.Context) ([]byte, error) { return r.use().Data(ctx) }

// Certificate implements [login.Login].
func (r *renewed) Certificate() (*tls.Certificate, error) { return r.use().Certificate() }

// Authorize implements [login.Login].
func (r *renewed) Authorize(ctx context.Context, h http.Header) error {
	return r.use().Authorize(ctx, h)
}

// Refused implements [login.Login].
func (r *renewed) Refused() { r.use().Refused() }

// Check implements [login.Login].
func (r *renewed) Check() error { return r.use().Check() }
