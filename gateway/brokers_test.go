package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/test/logs"
)

// clusterFake is brokers whose answers are the test's.
type clusterFake struct {
	bridge.Upstream
	answers chan error
}

func (f *clusterFake) Addresses() (brokers, admin string) {
	return "pulsar://one:6650,two:6650", "http://one:8080"
}

func (f *clusterFake) Ready(ctx context.Context) error {
	select {
	case err := <-f.answers:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Each change is told once, and one failure between two successes is no change.
func TestBrokersAreToldOnce(t *testing.T) {
	var log logs.Buffer
	f := &clusterFake{answers: make(chan error)}
	b := watchBrokers(f, slog.New(slog.NewTextHandler(&log, nil)))
	b.every, b.again = time.Millisecond, time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { b.run(ctx) })
	down := errors.New("refused")
	for _, err := range []error{down, down, down, nil, nil, down, nil, nil, down, down, down, nil} {
		f.answers <- err
	}
	f.answers <- nil // the one before has been looked at
	cancel()
	running.Wait()
	var told []string
	for line := range strings.Lines(log.String()) {
		if !strings.Contains(line, "brokers=pulsar://one:6650,two:6650 admin=http://one:8080") {
			t.Errorf("the brokers are not named: %s", line)
		}
		switch {
		case strings.Contains(line, "cannot be reached") && strings.Contains(line, "error=refused"):
			told = append(told, "down")
		case strings.Contains(line, "can be reached"):
			told = append(told, "up")
		}
	}
	if got := strings.Join(told, " "); got != "down up down up" {
		t.Errorf("told: %s\n%s", got, log.String())
	}
}

// Brokers that cannot be reached do not keep the gateway from listening, and when
// they are there that is told.
func TestBrokersThatComeLater(t *testing.T) {
	addr := freeAddress(t)
	cfg := config.Defaults()
	cfg.BindAddress, cfg.WebServicePort, cfg.BrokerServiceURL = "127.0.0.1", 0, "pulsar://"+addr
	log := &logBuffer{ready: make(chan string, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, cfg, nil, Options{Logger: slog.New(slog.NewTextHandler(log, nil))}) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	said := func(what string) {
		t.Helper()
		for end := time.Now().Add(patience); !strings.Contains(log.String(), what); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the log does not say %q:\n%s", what, log)
			}
		}
	}
	select {
	case <-log.ready:
	case err := <-done:
		done <- err
		t.Fatal(err)
	}
	said(`cannot be reached: new sessions get 503 until they can" brokers=pulsar://` + addr + " error=")
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	said(`msg="the brokers can be reached" brokers=pulsar://` + addr)
}
