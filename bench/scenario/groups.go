//go:build linux

package scenario

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/pulsegate/pulsegate/bench"
)

// add puts a group into the plan if it has sessions.
func (f *Flags) add(g bench.Group) {
	if g.Sessions != 0 {
		f.plan.Groups = append(f.plan.Groups, g)
	}
}

func (f *Flags) addProducers(n int) {
	q := url.Values{}
	if f.batching {
		q.Set("batchingEnabled", "true")
		if f.batchMessages > 0 {
			q.Set("batchingMaxMessages", strconv.Itoa(f.batchMessages))
		}
		if f.batchDelay > 0 {
			q.Set("batchingMaxPublishDelay", strconv.FormatInt(f.batchDelay.Milliseconds(), 10))
		}
	}
	if f.compression != "" {
		q.Set("compressionType", f.compression)
	}
	f.add(bench.Group{Name: "producers", Kind: bench.Producer, Sessions: n, Params: q})
}

// addConsumers adds consumers and the slow ones among them.
func (f *Flags) addConsumers(n int, position string) error {
	q := url.Values{"subscriptionType": {f.mode}}
	switch f.mode {
	case "Exclusive":
		f.subscriptions = 0
	case "Shared", "Failover", "Key_Shared":
		if f.subscriptions < 1 {
			return fmt.Errorf("--subscriptions %d: there must be one at least", f.subscriptions)
		}
	default:
		return fmt.Errorf("--subscription-type %s: there is Exclusive, Shared, Failover and Key_Shared", f.mode)
	}
	if position != "" {
		q.Set("subscriptionInitialPosition", position)
	}
	f.receivers(bench.Group{
		Name: "consumers", Kind: bench.Consumer, Sessions: n, Params: q,
		Subscription: f.subscription, Subscriptions: f.subscriptions, Permits: f.permits,
	})
	return nil
}

func (f *Flags) addReaders(n int, position string) {
	q := url.Values{}
	if position != "" {
		q.Set("messageId", position)
	}
	f.receivers(bench.Group{Name: "readers", Kind: bench.Reader, Sessions: n, Params: q})
}

func (f *Flags) receivers(g bench.Group) {
	if f.receiverSize > 0 {
		g.Params.Set("receiverQueueSize", strconv.Itoa(f.receiverSize))
	}
	g.NoAck = f.noAck
	f.add(g)
	g.Name, g.Sessions, g.SlowBytes = "slow "+g.Name, f.slow, f.slowBytes
	g.Subscription += "-slow"
	f.add(g)
}

// addIdle adds sessions that only are there.
func (f *Flags) addIdle(n int, apart bool) error {
	g := bench.Group{Name: "idle", Sessions: n, Apart: apart, Params: url.Values{}, Subscription: f.subscription, Lifetime: f.lifetime}
	switch f.idleMode {
	case "shared":
		g.Kind, g.Subscriptions = bench.Consumer, 1
		g.Params.Set("subscriptionType", "Shared")
	case "distinct":
		g.Kind = bench.Consumer
	case "readers":
		g.Kind = bench.Reader
	case "producers":
		g.Kind, g.Idle = bench.Producer, true
	default:
		return fmt.Errorf("--mode %s: there is shared, distinct, readers and producers", f.idleMode)
	}
	f.add(g)
	return nil
}
