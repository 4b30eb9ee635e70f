package pulsar

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	client "github.com/pulsegate/pulsegate/pulsar"
)

// closeTimeout bounds how long Close waits for requests that nobody waits for
// any more.
const closeTimeout = 5 * time.Second

// maxBackoff bounds how long a consumer or producer waits before it tries again to come back to its broker.
const maxBackoff = 5 * time.Second

// Upstream is a Pulsar cluster.
type Upstream struct {
	opts    Options
	log     *slog.Logger
	cluster *client.Client
	admin   *admin
	dial    *reachability
	known   partitionCounts
	endings endings
	keys    *keyDirectory // nil: none
	// decrypter has keys; nil: there are none.
	decrypter *decrypter
	stores    stores
	shared    optionsTable

	buried, unburied atomic.Uint64 // dead letters that were published, and tries that failed

	ctx  context.Context // ends with Close
	stop context.CancelFunc

	mu      sync.Mutex // guards what follows
	closed  bool
	clients map[closer]struct{} // producers, consumers and readers that are open
	calls   sync.WaitGroup      // our goroutines
}

// closer is a producer, consumer or reader.
type closer interface{ Close() }

var _ bridge.Upstream = (*Upstream)(nil)

// New finds the cluster and makes an upstream of it. It does not need a broker
// that answers: connections are opened when they are needed. With a
// configuration store it waits for that, bounded by its timeout.
func New(o Options) (up *Upstream, err error) {
	o = o.withDefaults()
	if err := o.locate(); err != nil {
		return nil, err
	}
	stores, err := openStores(&o.TLS)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			stores.close()
		}
	}()
	as, err := newLogin(o.AuthPlugin, o.AuthParams)
	if err != nil {
		return nil, err
	}
	if err := as.Check(); err != nil {
		return nil, fmt.Errorf("authentication towards the broker: %w", err)
	}
	keys, err := openKeys(o.CryptoKeyDirectory)
	if err != nil {
		return nil, err
	}
	admin, err := newAdmin(&o, as)
	if err != nil {
		return nil, err
	}
	dial, err := newReachability(o.lookupURL())
	if err != nil {
		return nil, err
	}
	u := &Upstream{opts: o, log: o.Logger, stores: stores, admin: admin, dial: dial, keys: keys, clients: map[closer]struct{}{}}
	if keys != nil {
		u.decrypter = newDecrypter(keys)
	}
	u.cluster, err = client.New(client.Options{
		ServiceURL: o.lookupURL(), Login: as, ListenerName: o.ListenerName,
		TLS:                  func() (*tls.Config, error) { return o.TLS.config(noCertificate) },
		ConnectionsPerBroker: o.ConnectionsPerBroker, MaxPrincipals: o.MaxPrincipals, ConnectionTimeout: o.ConnectionTimeout,
		OperationTimeout: o.OperationTimeout, KeepAlive: o.KeepAlive, MaxBackoff: maxBackoff, Log: o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", o.lookupURL(), err)
	}
	u.ctx, u.stop = context.WithCancel(context.Background())
	u.begin()
	go u.janitor()
	u.calls.Go(func() { stores.watch(u.ctx, u.log) })
	return u, nil
}

// noCertificate leaves it to the client to ask the login.
func noCertificate() (*tls.Certificate, error) { return nil, nil }

// Ready implements [bridge.Upstream]: it opens a connection to the address the
// cluster is looked up at.
func (u *Upstream) Ready(ctx context.Context) error {
	if err := u.dial.check(ctx); err != nil {
		return &bridge.Error{Kind: bridge.ErrUnavailable, Detail: err.Error()}
	}
	return nil
}

// Close implements [bridge.Upstream].
func (u *Upstream) Close() {
	u.mu.Lock()
	if u.closed {
		u.mu.Unlock()
		return
	}
	u.closed = true
	u.mu.Unlock()

	u.stop()
	var closing sync.WaitGroup
	for _, c := range u.open() {
		closing.Go(c.Close)
	}
	closing.Wait()

	done := make(chan struct{})
	go func() {
		u.cluster.Close()
		u.admin.close()
		u.calls.Wait()
		u.stores.close()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closeTimeout):
		u.log.Warn("requests to the broker are still waiting for an answer; leaving them")
	}
}

// begin counts a goroutine about to start. It reports false after Close.
func (u *Upstream) begin() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return false
	}
	u.calls.Add(1)
	return true
}

// always runs f, which a producer, consumer or reader that is still open needs.
// Close waits for it.
func (u *Upstream) always(f func()) { u.calls.Go(f) }

// background runs f on a goroutine that Close waits for, or not at all after Close.
func (u *Upstream) background(f func()) {
	if u.begin() {
		go func() {
			defer u.calls.Done()
			f()
		}()
	}
}

// janitor looks after what is overdue and what has changed meanwhile.
func (u *Upstream) janitor() {
	defer u.calls.Done()
	sweep := time.NewTicker(time.Second)
	defer sweep.Stop()
	for {
		select {
		case <-u.ctx.Done():
			return
		case now := <-sweep.C:
			u.known.expire(now)
			u.endings.expire(now)
		}
	}
}

// open lists the producers, consumers and readers.
func (u *Upstream) open() []closer {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := make([]closer, 0, len(u.clients))
	for c := range u.clients {
		out = append(out, c)
	}
	return out
}

// add makes Close close c. It reports false after Close.
func (u *Upstream) add(c closer) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return false
	}
	u.clients[c] = struct{}{}
	return true
}

func (u *Upstream) remove(c closer) {
	u.mu.Lock()
	delete(u.clients, c)
	u.mu.Unlock()
}

var errClosed = &bridge.Error{Kind: bridge.ErrClosed, Detail: "the upstream is closing"}

func gaveUp(ctx context.Context, what string) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &bridge.Error{Kind: bridge.ErrTimeout, Detail: what + ": no answer in time"}
	}
	return &bridge.Error{Kind: bridge.ErrClosed, Detail: what + ": given up"}
}
