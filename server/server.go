package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lesismal/nbio"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/seldom"
)

// Server accepts connections and serves them until it is closed. Use New,
// Start, then Leave and Drain if clients shall not be cut off, and Close.
type Server struct {
	o   Options
	log *slog.Logger

	settings atomic.Pointer[settings]
	handler  http.Handler
	metrics  *metrics

	ctx      context.Context // of all requests that are no session
	cancel   context.CancelFunc
	handlers sync.WaitGroup

	engine      *nbio.Engine
	entrances   []*entrance // of the engine's pollers
	inConn      connAddresses
	watch       *watch
	plain, tls  net.Listener   // nil: none
	accepting   sync.WaitGroup // the accept loops
	loops       sync.WaitGroup // the workers, the watch and the look at the certificates
	stopping    chan struct{}
	reread      chan struct{} // holds one wish to look at the certificates
	workers     []*worker
	handshakers handshakers
	costly      costlyMessages

	next struct { // of the goroutines that accept
		sync.Mutex
		worker int
	}

	started   time.Time
	clock     atomic.Uint32 // see [Server.now]
	passed    uint32        // ticks of real time at the clock's last step; the first worker's
	leaving   atomic.Bool   // whoever sends clients here is told to send no more
	draining  atomic.Bool   // comes after leaving
	drainedAt atomic.Uint32 // tick at which the drain began, if draining
	conns     atomic.Int64  // open sockets, those over the limit included
	places    bound         // for connections that are served
	empty     chan struct{}
	emptyOnce sync.Once
	closeOnce sync.Once
	stopOnce  sync.Once

	sessions    [withoutSession]atomic.Int64 // open ones by kind
	lastSession atomic.Uint64                // the id of the newest
	requests    bound
	probes      bound // requests by which balancers ask, see placeOf
	streams     bound // requests for Options.Broker
	awaiting    bound // see maxAwaiting
	addresses   addressBound
	traffic     [withoutSession + 1]traffic

	incidents                                                                    *incidents
	acceptWarning, slowWarning, panicWarning, certificateWarning, metricsWarning seldom.Line
}

// New checks the options. It opens nothing.
func New(o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		o: o, log: o.Logger,
		stopping: make(chan struct{}),
		reread:   make(chan struct{}, 1),
		empty:    make(chan struct{}),
	}
	s.awaiting.most.Store(maxAwaiting)
	s.addresses.used = map[netip.Addr]int{}
	s.apply(&o)
	s.metrics = newMetrics(s)
	s.incidents = newIncidents(o.Logger, func(what, code, limit string) { s.metrics.refusals.WithLabelValues(what, code, limit).Inc() })
	s.handler = s.routes()
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Start listens and serves. It returns when connections are accepted.
func (s *Server) Start() error {
	doors, err := s.openDoors()
	if err != nil {
		return err
	}
	s.warnImpossible(int(s.places.most.Load()))
	quietNbio(s.log)
	s.started = time.Now()
	if s.o.passed == nil {
		s.o.passed = func() uint32 { return uint32(time.Since(s.started) / s.o.tick) }
	}
	if err := s.startEngine(); err != nil {
		s.closeDoors()
		return fmt.Errorf("start the event loop: %w", err)
	}
	for range s.o.workers {
		s.workers = append(s.workers, newWorker(s))
	}
	for _, w := range s.workers {
		s.loops.Go(w.run)
	}
	s.costly.start(max(1, s.o.workers-1))
	if s.o.TLS != nil {
		s.handshakers.start(max(1, s.o.workers-1))
		s.loops.Go(s.watchCertificates)
	}
	for _, d := range doors {
		s.accepting.Go(func() { s.accept(d) })
	}
	return nil
}

func (s *Server) warnImpossible(allowed int) {
	if possible := machineConnections(); allowed > possible {
		s.log.Warn("more connections are allowed than the limit of open files has room for: raise it (ulimit -n)",
			"allowed", allowed, "possible", possible)
	}
}

// openDoors opens the listeners.
func (s *Server) openDoors() (doors []door, err error) {
	if s.o.Address != "" {
		if s.plain, err = s.listen(s.o.Address); err != nil {
			return nil, err
		}
		doors = append(doors, door{s.plain, false})
	}
	if s.o.TLS != nil {
		if s.tls, err = s.listen(s.o.TLSAddress); err != nil {
			if le := (*ListenError)(nil); errors.As(err, &le) {
				le.TLS = true
			}
			s.closeDoors()
			return nil, err
		}
		doors = append(doors, door{s.tls, true})
	}
	return doors, nil
}

func (s *Server) closeDoors() {
	for _, l := range []net.Listener{s.plain, s.tls} {
		if l != nil {
			_ = l.Close()
		}
	}
}

// Addr is the address the server listens on without TLS, nil if it does not.
func (s *Server) Addr() net.Addr { return addressOf(s.plain) }

// TLSAddr is the address the server listens on with TLS, nil if it does not.
func (s *Server) TLSAddr() net.Addr { return addressOf(s.tls) }

func addressOf(l net.Listener) net.Addr {
	if l == nil {
		return nil
	}
	return l.Addr()
}

// Close stops accepting, closes every connection without further ado and waits
// for all goroutines of the server. Sessions are closed when it returns.
func (s *Server) Close() {
	s.closeOnce.Do(func() {
		s.stopAccepting()
		s.cancel()
		s.accepting.Wait()
		// All connections are in their worker's queue when the workers are told to end.
		s.stopEngine()
		s.handshakers.stop()
		s.costly.stop()
		for _, w := range s.workers {
			w.stop()
		}
		s.loops.Wait()
		// Nobody is left who could begin another one.
		s.handlers.Wait()
		s.incidents.flush(true)
	})
}

// stopAccepting may leave connections to the kernel that were not accepted yet;
// closing the listener resets them.
func (s *Server) stopAccepting() {
	s.stopOnce.Do(func() {
		close(s.stopping)
		s.closeDoors()
	})
}

// forget takes a closed connection out of the books. Its worker calls it.
func (s *Server) forget(c *conn) {
	if !c.refused {
		s.places.give()
	}
	if c.counted {
		s.addresses.give(c.remote().Addr())
	}
	if c.who != nil {
		s.o.Gate.Release(c.who.grant)
	}
	s.uncount()
}

func (s *Server) uncount() {
	if s.conns.Add(-1) == 0 && s.draining.Load() {
		s.emptyOnce.Do(func() { close(s.empty) })
	}
}

// contained calls f, which is the bridge's. A panic there costs nothing else: whoever calls it is about to count a connection
// off, or is to go on with all the others.
func (s *Server) contained(doing string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked(doing, p, debug.Stack())
		}
	}()
	f()
}

// closeSession closes a session of the bridge's.
func (s *Server) closeSession(session bridge.Session) {
	s.contained("closing a session", session.Close)
}

// panicked reports a panic that was kept to one connection.
func (s *Server) panicked(doing string, p any, stack []byte) {
	s.metrics.panics.Add(1)
	s.panicWarning.Log(s.log, slog.LevelWarn, "panic while "+doing, "panic", fmt.Sprint(p), "stack", string(stack))
}
