// Package gateway puts the rooms together: configuration, upstream, bridge and
// server.
//
// [Run] makes them in that order and takes them apart in the other. Its own goroutine owns the configuration, reads it again
// when it is told to (live), and drains in the end. Three more run beside it at most, and Run ends them and waits for them: one looks
// whether the brokers can be reached, one sets the garbage collector's pace, and one serves the operator's pages where they have
// a port of their own. What operators are told (source) is the only state that others share, under its lock.
package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/hub"
	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/memory"
	"github.com/pulsegate/pulsegate/operator"
	"github.com/pulsegate/pulsegate/server"
)

// Options are what the command line adds to the configuration.
type Options struct {
	// Embedded keeps topics in this process instead of a Pulsar cluster.
	Embedded bool
	Logger   *slog.Logger // slog.Default() if nil
	Version  string
	// Hangup asks for the configuration to be read again, with Reload; nil: never.
	Hangup <-chan os.Signal
	Reload func() (*config.Config, []config.Notice, error)
	// Level is the logger's, to be changed when the configuration is read again; nil: it stays.
	Level *slog.LevelVar
}

// Fault is what is wrong with what the configuration names, such as a file that is not there.
type Fault struct{ err error }

func (f *Fault) Error() string { return f.err.Error() }
func (f *Fault) Unwrap() error { return f.err }

// Run serves until ctx ends and then drains: sessions end in good order, as far
// as Config.DrainTimeout allows, after Config.DrainDelay in which it serves on. It returns nil after a drain, complete or not,
// and an error when it could not begin to serve, a [*Fault] where the configuration is to be mended.
func Run(ctx context.Context, cfg *config.Config, notices []config.Notice, opts Options) error {
	log := opts.Logger
	if log == nil {
		log = slog.Default()
	}
	config.LogNotices(log, notices)

	budget := memory.New(memoryLimit(cfg))
	up, admin, err := openUpstream(cfg, opts.Embedded, budget, log)
	if err != nil {
		return err
	}
	defer up.Close()

	var watching sync.WaitGroup
	watched, stopWatching := context.WithCancel(ctx)
	defer watching.Wait()
	defer stopWatching()
	if cluster := watchBrokers(up, log); cluster != nil {
		watching.Go(func() { cluster.run(watched) })
	}

	gate, done, err := openGate(cfg, up, log)
	if err != nil {
		return &Fault{err}
	}
	defer done()

	b := hub.New(up, bridgeOptions(cfg, budget, log))
	defer b.Close()

	serve := serverOptions(cfg, b, admin, log, opts.Version)
	serve.Memory = budget
	serve.Gate = gate
	if serve.TLS, err = loadTLS(cfg); err != nil {
		return &Fault{err}
	}
	if text := expired(cfg, serve.TLS); text != "" {
		log.Warn(text)
	}
	if cfg.BrokerWebServiceURL != "" {
		web, err := newBrokerWeb(cfg, log)
		if err != nil {
			return err
		}
		defer web.close()
		serve.Broker = web
	}
	if cluster, ok := up.(connections); ok {
		serve.Collectors = append(serve.Collectors, brokerMetrics{cluster})
	}
	told := &source{up: up, level: opts.Level, cfg: cfg}
	if cfg.OperatorPages {
		serve.Operator = operator.NewHandler(told, log)
		serve.PagesApart = cfg.OperatorServicePort != config.NoPort
	}
	s, err := server.New(serve)
	if err != nil {
		return err
	}
	told.Server = s
	if err := s.Start(); err != nil {
		return explainListen(err)
	}
	defer s.Close()
	closePages, err := servePages(cfg, s, log)
	if err != nil {
		return err
	}
	defer closePages()

	pace, endPace := context.WithCancel(context.WithoutCancel(ctx)) // a drain needs it, too
	var pacing sync.WaitGroup
	pacing.Go(func() { paceHeap(pace, budget.Used) })
	defer pacing.Wait()
	defer endPace()

	if addr := s.Addr(); addr != nil {
		log.Info("listening", "address", addr.String(), "version", opts.Version)
	}
	if addr := s.TLSAddr(); addr != nil {
		log.Info("listening with TLS", "address", addr.String(), "version", opts.Version)
	}
	if cfg.BrokerWebServiceURL != "" {
		log.Info("HTTP that is not for WebSocket goes to the broker", "url", cfg.BrokerWebServiceURL)
	}
	if opts.Embedded {
		log.Warn("topics are kept in this process only: nothing survives a restart")
		if addr := s.Addr(); addr != nil {
			tryOut(os.Stdout, os.Args[0], addr, cfg.OperatorPages && cfg.OperatorServicePort == config.NoPort)
		}
	}
	now := &live{cfg: cfg, told: told, load: opts.Reload, log: log, level: opts.Level, budget: budget, bridge: b, server: s, gate: gate, tls: serve.TLS}
	now.until(ctx, opts.Hangup)
	drain(s, now.cfg, log)
	return nil
}

// drain ends all sessions in good order, or gives up after the configured time. First
// it gives whoever sends clients here the time to notice, which nobody tells of.
func drain(s *server.Server, cfg *config.Config, log *slog.Logger) {
	log.Info("draining", "delay", cfg.DrainDelay, "spread", cfg.DrainSpread, "timeout", cfg.DrainTimeout)
	s.Leave()
	time.Sleep(cfg.DrainDelay)
	ctx, cancel := context.WithTimeout(context.Background(), cfg.DrainTimeout)
	defer cancel()
	if err := s.Drain(ctx); err != nil {
		log.Warn("not all connections ended in time; they are closed now")
		return
	}
	log.Info("drained")
}

// memoryPart is the part of the memory that the process may use which messages
// may take unless the configuration says otherwise.
const memoryPart = 4

// memoryLimit is what the messages of all sessions may take, in bytes.
func memoryLimit(cfg *config.Config) int64 {
	if cfg.MemoryLimit > 0 {
		return cfg.MemoryLimit
	}
	return memory.Available() / memoryPart
}

func bridgeOptions(cfg *config.Config, budget *memory.Budget, log *slog.Logger) hub.Options {
	limits := bridgeLimits(cfg)
	return hub.Options{
		Memory:           budget,
		MaxPublishBytes:  limits.MaxPublishBytes,
		Linger:           cfg.UpstreamLinger,
		SharedConsumers:  cfg.SharedConsumers,
		OpenTimeout:      cfg.BrokerClientOperationTimeout,
		MaxTopics:        limits.MaxTopics,
		TailBytes:        limits.TailBytes,
		MaxInFlight:      limits.MaxInFlight,
		MaxInFlightBytes: limits.MaxInFlightBytes,
		Logger:           log,
	}
}

// bridgeLimits are the options of the bridge that may change while it serves.
func bridgeLimits(cfg *config.Config) bridge.Limits {
	return bridge.Limits{
		MaxTopics:        cfg.MaxTopicsPerSession,
		TailBytes:        cfg.TailBufferBytes,
		MaxInFlight:      cfg.MaxInFlightPublishes,
		MaxInFlightBytes: cfg.MaxInFlightPublishBytes,
		MaxPublishBytes:  cfg.ClientMemoryLimit,
	}
}

func serverOptions(cfg *config.Config, b server.Bridge, admin http.Handler, log *slog.Logger, version string) server.Options {
	o := serverLimits(cfg)
	o.Bridge, o.Admin, o.Logger, o.Version = b, admin, log, version
	o.Address, o.TLSAddress = address(cfg, cfg.WebServicePort), address(cfg, cfg.WebServicePortTLS)
	o.ReusePort = cfg.ReusePort
	o.TrustForwardedFor, o.ProxyProtocol = cfg.TrustXForwardedFor, cfg.HAProxyProtocol
	o.Compression = cfg.WebSocketCompression
	o.V1LegacyTime = cfg.V1PublishTimeFormat == config.PublishTimeSeed
	o.V1WithoutCluster = cfg.V1TopicNames == config.V1NamesWithoutCluster
	o.StatusFile = cfg.StatusFilePath
	o.MetricsNamespaces = cfg.MetricsNamespaces
	o.DrainSpread, o.Replaced = cfg.DrainSpread, cfg.DrainDelay > 0 || cfg.DrainSpread > 0
	return o
}

// serverLimits are the options of the server that may change while it serves.
func serverLimits(cfg *config.Config) server.Options {
	return server.Options{
		TLSRefresh:            max(cfg.TLSCertRefreshInterval, time.Second),
		MaxConnections:        cfg.MaxHTTPServerConnections,
		MaxSessionsPerAddress: cfg.MaxSessionsPerAddress,
		MaxConcurrentRequests: cfg.MaxConcurrentHTTPRequests,
		MaxURLBytes:           cfg.MaxURLBytes,
		MaxHeaderBytes:        cfg.MaxHTTPHeaderBytes,
		HandshakeTimeout:      cfg.HandshakeTimeout,
		MaxMessage:            cfg.MaxTextFrameSize,
		MaxUnread:             cfg.MaxUnreadOutputBytes,
		SlowTimeout:           cfg.SlowClientTimeout,
		IdleTimeout:           cfg.SessionIdleTimeout,
		PingInterval:          cfg.PingInterval,
		NoIdlePing:            !cfg.PingIdleSessions,
		AllowedOrigins:        cfg.AllowedOrigins,
		MaxTopics:             cfg.MaxTopicsPerSession,
		DeadLettersFree:       !cfg.AuthorizeDeadLetters,
	}
}
