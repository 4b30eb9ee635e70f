package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/operator"
	"github.com/pulsegate/pulsegate/pulsar"
	"github.com/pulsegate/pulsegate/server"
)

// source is the running gateway as an operator sees it. The configuration may be another after each
// reload; mu guards it. All else is constant once the server is there, which is before it serves.
type source struct {
	*server.Server // Sessions, CloseSession, Clients, Refusals

	up    bridge.Upstream
	level *slog.LevelVar

	mu  sync.Mutex
	cfg *config.Config
}

var _ operator.Source = (*source)(nil)

// use notes the configuration that is in effect now.
func (s *source) use(cfg *config.Config) {
	s.mu.Lock()
	s.cfg = cfg
	s.mu.Unlock()
}

// Level implements [operator.Source].
func (s *source) Level() *slog.LevelVar { return s.level }

// WriteConfig implements [operator.Source].
func (s *source) WriteConfig(w io.Writer) error {
	s.mu.Lock()
	cfg := s.cfg
	s.mu.Unlock()
	return cfg.Write(w)
}

// forwards reports that brokers are told of clients' roles.
func (s *source) forwards() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.ForwardOriginalPrincipal
}

// connections are what a cluster tells of its connections to brokers, and of what came of them.
type connections interface {
	Connections() []pulsar.ConnStatus
	ConnCounts() pulsar.ConnCounts
	RequestCounts() []pulsar.RequestCount
	DroppedChunked() int64
	Principals() (used, most int)
}

// Brokers implements [operator.Source].
func (s *source) Brokers() (list []operator.Broker) {
	cluster, ok := s.up.(connections)
	if !ok {
		return nil // topics in this process
	}
	for _, c := range cluster.Connections() {
		b := operator.Broker{
			Address: c.Broker, Role: c.Principal, State: c.State, Since: c.Since, Producers: c.Producers, Consumers: c.Consumers,
			Requests: c.Requests, UnsentBytes: int64(c.Waiting),
		}
		if c.Err != nil {
			b.Error = c.Err.Error()
		}
		list = append(list, b)
	}
	return list
}

// readyIn bounds how long an answer waits for what is known of the brokers.
const readyIn = time.Second

// Status implements [operator.Source].
func (s *source) Status() operator.Status {
	status := s.Server.Status()
	ctx, cancel := context.WithTimeout(context.Background(), readyIn)
	defer cancel()
	status.Ready = "yes"
	if err := s.up.Ready(ctx); err != nil {
		status.Ready = err.Error()
	}
	if cluster, ok := s.up.(connections); ok && s.forwards() {
		used, most := cluster.Principals()
		status.Limits = append(status.Limits, operator.Limit{Key: "maxOriginalPrincipals", Used: int64(used), Most: int64(most)})
	}
	if s.level != nil {
		status.LogLevel = levelName(s.level.Level())
	}
	return status
}

func levelName(l slog.Level) string {
	text, err := l.MarshalText()
	if err != nil {
		return ""
	}
	return string(text)
}

// The bounds of the pages' own door: connections, a request's head in bytes, how long a request may take to come, its answer
// to be made and read, and a connection to wait for the next one.
const (
	pagesConnections = 64
	pagesHeader      = 16 << 10
	pagesReading     = 15 * time.Second
	pagesAnswering   = time.Minute
	pagesIdle        = 2 * time.Minute
)

// servePages opens the operator's pages a door of their own, if they have one. The function it returns closes it.
func servePages(cfg *config.Config, s *server.Server, log *slog.Logger) (stop func(), err error) {
	if !cfg.OperatorPages || cfg.OperatorServicePort == config.NoPort {
		return func() {}, nil
	}
	at := net.JoinHostPort(cfg.OperatorBindAddress, strconv.Itoa(cfg.OperatorServicePort))
	door, err := net.Listen("tcp", at)
	if err != nil {
		return nil, fmt.Errorf("operatorServicePort: %w", err)
	}
	web := &http.Server{
		Handler: s.Pages(), MaxHeaderBytes: pagesHeader,
		ReadTimeout: pagesReading, WriteTimeout: pagesAnswering, IdleTimeout: pagesIdle,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := web.Serve(netutil.LimitListener(door, pagesConnections)); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the operator's pages are not served any more", "error", err)
		}
	})
	log.Info("the operator's pages", "url", "http://"+door.Addr().String()+"/console/")
	return func() {
		_ = web.Close() // what is being answered is nobody's message
		serving.Wait()
	}, nil
}
