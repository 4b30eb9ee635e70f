package pulsar

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/auth"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pulsegate/pulsegate/bridge"
	client "github.com/pulsegate/pulsegate/pulsar"
)

// closeTimeout bounds how long Close waits for requests that nobody waits for
// any more; the client library cannot be interrupted.
const closeTimeout = 5 * time.Second

// Upstream is a Pulsar cluster.
type Upstream struct {
	opts    Options
	log     *slog.Logger
	client  pulsar.Client  // for consumers and readers
	cluster *client.Client // for producers
	login   auth.Provider  // the cluster's
	admin   *admin
	dial    reachability
	known   partitionLists
	links   links
	heard   heard
	endings endings
	keys    *keyDirectory // nil: none
	stores  stores
	many    chan struct{} // places of consumers over many topics, see [pace]

	ctx  context.Context // ends with Close
	stop context.CancelFunc

	mu      sync.Mutex // guards what follows
	closed  bool
	clients map[closer]struct{} // producers, consumers and readers that are open
	calls   sync.WaitGroup      // goroutines in calls of the client library, and our own
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
	provider, err := newAuthProvider(o.AuthPlugin, o.AuthParams)
	if err != nil {
		return nil, err
	}
	if err := checkAuth(provider); err != nil {
		return nil, fmt.Errorf("authentication towards the broker: %w", err)
	}
	keys, err := openKeys(o.CryptoKeyDirectory)
	if err != nil {
		return nil, err
	}
	admin, err := newAdmin(&o)
	if err != nil {
		return nil, err
	}
	dial, err := newReachability(o.lookupURL())
	if err != nil {
		return nil, err
	}
	u := &Upstream{opts: o, log: o.Logger, stores: stores, admin: admin, dial: dial, keys: keys, clients: map[closer]struct{}{}, many: make(chan struct{}, paceMany)}
	u.client, err = pulsar.NewClient(pulsar.ClientOptions{
		URL:                        o.lookupURL(),
		Authentication:             provider,
		ConnectionTimeout:          o.ConnectionTimeout,
		OperationTimeout:           o.OperationTimeout,
		KeepAliveInterval:          o.KeepAlive,
		ListenerName:               o.ListenerName,
		MaxConnectionsPerBroker:    o.ConnectionsPerBroker,
		MemoryLimitBytes:           math.MaxInt64, // none: see [fetchAhead] about the library's
		TLSTrustCertsFilePath:      o.TLS.TrustCertsFile,
		TLSCertificateFile:         o.TLS.CertificateFile,
		TLSKeyFilePath:             o.TLS.KeyFile,
		TLSAllowInsecureConnection: o.TLS.AllowInsecure,
		TLSValidateHostname:        o.TLS.VerifyHostname,
		Logger:                     newClientLogger(o.Logger, u),
		MetricsCardinality:         pulsar.MetricsCardinalityNone,
		// A registry of its own keeps the library's metrics out of ours.
		MetricsRegisterer: prometheus.NewRegistry(),
		Description:       "pulsegate",
	})
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", o.lookupURL(), err)
	}
	if err := u.openCluster(); err != nil {
		u.client.Close()
		return nil, err
	}
	u.ctx, u.stop = context.WithCancel(context.Background())
	u.begin()
	go u.janitor()
	u.calls.Go(func() { stores.watch(u.ctx, u.log) })
	return u, nil
}

// openCluster makes our own client. It has a login of its own, since a login that talks HTTP does so by the
// connections of one client.
func (u *Upstream) openCluster() error {
	o := &u.opts
	var err error
	if u.login, err = newAuthProvider(o.AuthPlugin, o.AuthParams); err != nil {
		return err
	}
	if err := checkAuth(u.login); err != nil {
		return fmt.Errorf("authentication towards the broker: %w", err)
	}
	u.cluster, err = client.New(client.Options{
		ServiceURL: o.lookupURL(), Auth: u.login, ListenerName: o.ListenerName,
		TLS:                  func() (*tls.Config, error) { return o.TLS.config(noCertificate) },
		ConnectionsPerBroker: o.ConnectionsPerBroker, ConnectionTimeout: o.ConnectionTimeout,
		OperationTimeout: o.OperationTimeout, KeepAlive: o.KeepAlive, Log: o.Logger,
	})
	return err
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
		_ = u.login.Close() // nothing is left that uses it
		u.client.Close()    // which may hang
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
	discovery := time.NewTicker(partitionDiscovery)
	defer discovery.Stop()
	for {
		select {
		case <-u.ctx.Done():
			return
		case now := <-sweep.C:
			u.known.expire(now)
			u.endings.expire(now)
		case <-discovery.C:
			for _, c := range u.open() {
				if c, ok := c.(*consumer); ok {
					c.discover()
				}
			}
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

// attempt makes a call of the client library, which knows no context, and
// waits until it returns, ctx ends, or the cluster turns out to be out of
// reach, which the library would try until its operation timeout. A call that
// fails because its connection broke is made again. What a call that is no longer
// waited for brings is given to drop.
func attempt[T any](ctx context.Context, u *Upstream, what string, call func() (T, error), drop func(T)) (T, error) {
	var none T
	unreachable, stop := u.dial.watch(ctx)
	defer stop()
	giveUp := time.Now().Add(retryFor)
	for wait := firstRetry; ; wait *= 2 {
		if !u.begin() {
			return none, errClosed
		}
		a := &attempted[T]{got: make(chan result[T], 1)}
		go a.run(u, call, drop)
		var err error
		select {
		case r := <-a.got:
			if r.err == nil {
				return r.value, nil
			}
			if err = wrap(what, r.err); !errors.Is(err, bridge.ErrUnavailable) || time.Now().After(giveUp) {
				return none, err
			}
		case err := <-unreachable:
			return a.leave(what, &bridge.Error{Kind: bridge.ErrUnavailable, Detail: what + ": " + err.Error()})
		case <-ctx.Done():
			return a.leave(what, gaveUp(ctx, what))
		case <-u.ctx.Done():
			return a.leave(what, errClosed)
		}
		select {
		case <-time.After(wait):
		case err := <-unreachable:
			return none, &bridge.Error{Kind: bridge.ErrUnavailable, Detail: what + ": " + err.Error()}
		case <-ctx.Done():
			return none, err
		case <-u.ctx.Done():
			return none, errClosed
		}
	}
}

// retryFor bounds how long calls are made again that fail with their connection.
const retryFor = 10 * time.Second

func gaveUp(ctx context.Context, what string) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &bridge.Error{Kind: bridge.ErrTimeout, Detail: what + ": no answer in time"}
	}
	return &bridge.Error{Kind: bridge.ErrClosed, Detail: what + ": given up"}
}

// attempted is one call under way. mu guards left.
type attempted[T any] struct {
	got  chan result[T] // of one
	mu   sync.Mutex
	left bool
}

type result[T any] struct {
	value T
	err   error
}

func (a *attempted[T]) run(u *Upstream, call func() (T, error), drop func(T)) {
	defer u.calls.Done()
	value, err := call()
	a.mu.Lock()
	if !a.left {
		a.got <- result[T]{value, err}
		a.mu.Unlock()
		return
	}
	a.mu.Unlock()
	if err == nil {
		drop(value)
	}
}

// leave stops waiting, unless the result has come meanwhile.
func (a *attempted[T]) leave(what string, why error) (T, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case r := <-a.got:
		return r.value, wrap(what, r.err)
	default:
		a.left = true
		var none T
		return none, why
	}
}
