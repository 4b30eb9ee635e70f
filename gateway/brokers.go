package gateway

import (
	"context"
	"log/slog"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

const (
	// brokersTimeout bounds one look at the brokers.
	brokersTimeout = 5 * time.Second
	// brokersEvery is how often they are looked at while they can be reached, and
	// brokersAgain how soon they are when they cannot.
	brokersEvery = 10 * time.Second
	brokersAgain = time.Second
)

// brokers tells the operator where the brokers are and whether they can be reached:
// once at the start, and then when that changes. It belongs to the goroutine of run.
type brokers struct {
	up    bridge.Upstream
	where []any // names and addresses in turn, for the log
	log   *slog.Logger

	every, again time.Duration
}

// watchBrokers returns nil for topics in this process, which have no brokers.
func watchBrokers(up bridge.Upstream, log *slog.Logger) *brokers {
	cluster, ok := up.(interface {
		Addresses() (brokers, admin string)
	})
	if !ok {
		return nil
	}
	b := &brokers{up: up, log: log, every: brokersEvery, again: brokersAgain}
	at, admin := cluster.Addresses()
	b.where = []any{"brokers", at}
	if admin != "" && admin != at {
		b.where = append(b.where, "admin", admin)
	}
	return b
}

// run looks at the brokers until ctx ends. One failure after a success may be an
// accident: a second one is waited for.
func (b *brokers) run(ctx context.Context) {
	reachable, first, failed := false, true, 0
	for {
		err := b.look(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := b.every
		switch {
		case err == nil:
			if failed = 0; !reachable {
				b.log.Info("the brokers can be reached", b.where...)
			}
			reachable, first = true, false
		default:
			wait = b.again
			if failed++; first || reachable && failed > 1 {
				b.log.Warn("the brokers cannot be reached: new sessions get 503 until they can", append(b.where[:len(b.where):len(b.where)], "error", err)...)
				reachable, first = false, false
			}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

func (b *brokers) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, brokersTimeout)
	defer cancel()
	return b.up.Ready(ctx)
}
