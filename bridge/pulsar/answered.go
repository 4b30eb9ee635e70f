package pulsar

import (
	"context"
	"errors"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

// The client answers on goroutines of its own; the bridge waits, for as long as that may help.

// within returns a context that ends with ctx, when nothing listens any more where the cluster is looked up, and with the upstream.
// [whyOver] tells which.
func (u *Upstream) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, over := context.WithCancelCause(ctx)
	stop := u.dial.whenOut(ctx, func(err error) { over(&bridge.Error{Kind: bridge.ErrUnavailable, Detail: err.Error()}) })
	closing := context.AfterFunc(u.ctx, func() { over(errClosed) })
	return ctx, func() {
		closing()
		stop()
		over(nil)
	}
}

// whyOver is the error of what was given up since ctx, of [Upstream.within], has ended.
func whyOver(ctx context.Context, what string) error {
	var why *bridge.Error
	if errors.As(context.Cause(ctx), &why) {
		return &bridge.Error{Kind: why.Kind, Detail: what + ": " + why.Detail}
	}
	return gaveUp(ctx, what)
}

// answered waits for the answer to what begin asks for, until ctx, of [Upstream.within], ends. An answer that comes later is
// dropped.
func answered[T any](ctx context.Context, what string, begin func(done func(T, error))) (T, error) {
	type answer struct {
		value T
		err   error
	}
	got := make(chan answer, 1)
	begin(func(value T, err error) { got <- answer{value, err} })
	select {
	case a := <-got:
		return a.value, wrap(what, a.err)
	case <-ctx.Done():
		var none T
		return none, whyOver(ctx, what)
	}
}

// answeredAgain is answered, and asks again while the failure may pass, as that of a connection that broke.
func answeredAgain[T any](ctx context.Context, what string, begin func(done func(T, error))) (T, error) {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		value, err := answered(ctx, what, begin)
		if !errors.Is(err, bridge.ErrUnavailable) || ctx.Err() != nil {
			return value, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return value, err
		}
	}
}
