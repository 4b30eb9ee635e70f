package pulsar

import (
	"context"
	"sync"

	"github.com/pulsegate/pulsegate/bridge"
)

// Unsubscribe implements [bridge.Consumer]. It fails with
// [bridge.ErrSubscriptions] while others are connected.
//
// A consumer of the client library that has unsubscribed can no longer be
// closed and leaves two goroutines behind for ever. So, where the admin API is
// known, the consumer leaves and the subscription is deleted through that.
func (c *consumer) Unsubscribe(ctx context.Context) error {
	if c.u.admin == nil {
		return c.unsubscribeByClient(ctx)
	}
	for _, m := range c.concrete() {
		s, _, err := c.u.admin.subscription(ctx, m.topic, c.spec.Subscription)
		if err != nil {
			return c.unsubscribeByClient(ctx)
		}
		if len(s.Consumers) > 1 {
			return &bridge.Error{Kind: bridge.ErrSubscriptions,
				Detail: "unsubscribe " + c.spec.Subscription + " from " + m.topic + ": others are connected"}
		}
	}
	c.Close()
	if c.spec.NonDurable {
		return nil // it has gone with its last consumer
	}
	for _, m := range c.concrete() {
		if err := c.u.admin.deleteSubscription(ctx, m.topic, c.spec.Subscription); err != nil {
			return err
		}
	}
	return nil
}

// unsubscribeByClient uses the binary protocol.
func (c *consumer) unsubscribeByClient(ctx context.Context) error {
	what := "unsubscribe " + c.spec.Subscription
	members := c.concrete()
	errs := make([]error, len(members))
	var asking sync.WaitGroup
	for i, m := range members {
		asking.Go(func() {
			_, errs[i] = attempt(ctx, c.u, what+" from "+m.topic, func() (struct{}, error) {
				l := m.current.Load()
				if l == nil {
					return struct{}{}, errNoConnection
				}
				return struct{}{}, l.unsubscribe()
			}, func(struct{}) {})
		})
	}
	asking.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
