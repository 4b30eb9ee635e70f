package pulsar

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	client "github.com/pulsegate/pulsegate/pulsar"
	"github.com/pulsegate/pulsegate/pulsar/wire"
	names "github.com/pulsegate/pulsegate/topic"
)

// reader is a [client.Group] for the bridge, and its owner: a consumer on each partition of the topic, of a
// subscription of its own that is gone with it.
type reader struct {
	u        *Upstream
	spec     bridge.ReaderSpec
	receiver bridge.Receiver
	permits  client.Permits
	group    *client.Group // set before OpenReader returns
	opened   chan error    // holds one

	calling sync.Mutex // held while the receiver is called, as partitions have connections of their own; guards over
	over    bool       // the receiver is not called any more
	since   int64      // what was published before is not delivered, until something is; guarded by calling

	closeOnce sync.Once
	closed    chan struct{}
}

// OpenReader implements [bridge.Upstream].
func (u *Upstream) OpenReader(ctx context.Context, spec bridge.ReaderSpec, receiver bridge.Receiver) (bridge.Reader, error) {
	r := &reader{u: u, spec: spec, receiver: receiver, since: spec.Since, opened: make(chan error, 1), closed: make(chan struct{})}
	ctx, stop := u.within(ctx)
	defer stop()
	r.group = u.cluster.OpenGroup(client.Selection{Topics: []string{spec.Topic}}, "reader-"+rand.Text(), r.options(), &r.permits, r)
	what := "open a reader on " + spec.Topic
	var err error
	select {
	case err = <-r.opened:
		err = wrap(what, err)
	case <-ctx.Done():
		err = whyOver(ctx, what)
	}
	if err == nil {
		err = r.check()
	}
	if err == nil && !u.add(r) {
		err = errClosed
	}
	if err != nil {
		r.group.Close(nil)
		return nil, err
	}
	return r, nil
}

func (r *reader) options() *client.ConsumerOptions {
	o := &client.ConsumerOptions{
		Type: wire.Exclusive, Principal: r.spec.Principal, Name: r.spec.Name, NonDurable: true, Window: max(r.spec.Queue, 1),
		AckDelivered: true, // else the broker would not tell the end of the topic
		Decrypt:      r.u.decrypt(), Sealed: sealedActions[r.spec.CryptoFailure], SingleChunks: r.spec.Chunks,
	}
	if r.spec.CryptoFailure == bridge.CryptoFail {
		o.Sealed = client.SealedDiscard // there is nobody to leave it to
	}
	switch r.spec.Start {
	case bridge.StartEarliest:
		o.InitialPosition = wire.Earliest
	case bridge.StartAtPosition:
		at := toID(&r.spec.Position)
		o.Start, o.StartInclusive = &at, r.spec.Inclusive
	case bridge.StartAtTime:
		o.StartTime = time.UnixMilli(r.spec.Since)
	}
	return o
}

// check tells why the reader that was opened cannot be used.
func (r *reader) check() error {
	if r.spec.Start != bridge.StartAtPosition && r.spec.Start != bridge.StartAtTime || r.group.Consumer(r.spec.Topic) != nil {
		return nil
	}
	return &bridge.Error{Kind: bridge.ErrInvalid,
		Detail: "one reader on all partitions of " + r.spec.Topic + " can start at latest or earliest only"}
}

// Opened implements [client.GroupHandler].
func (r *reader) Opened(_ *client.Group, err error) { r.opened <- err }

// Deliver implements [client.GroupHandler].
func (r *reader) Deliver(_ *client.Consumer, m *client.Received) {
	message := fromReceived(m, "")
	r.calling.Lock()
	defer r.calling.Unlock()
	switch {
	case r.over:
	case r.since > 0 && !message.PublishTime.IsZero() && message.PublishTime.UnixMilli() < r.since:
		r.permits.Permit(1) // the broker begins a little early
	default:
		r.since = 0
		r.receiver.Deliver(message)
	}
}

// Tell implements [client.GroupHandler].
func (r *reader) Tell(*client.Consumer, client.Event) {}

// Ended implements [client.GroupHandler].
func (r *reader) Ended(_ *client.Group, err error) {
	r.calling.Lock()
	defer r.calling.Unlock()
	if !r.over {
		r.over = true
		r.receiver.Lost(wrap("read "+r.spec.Topic, err))
	}
}

// Permit implements [bridge.Reader].
func (r *reader) Permit(n int) { r.permits.Permit(n) }

// LastPosition implements [bridge.Reader].
func (r *reader) LastPosition(ctx context.Context) ([]codec.MessageID, error) {
	ctx, stop := r.u.within(ctx)
	defer stop()
	list := r.group.Consumers()
	slices.SortFunc(list, func(a, b *client.Consumer) int { return int(a.Partition()) - int(b.Partition()) })
	out := make([]codec.MessageID, len(list))
	for i, x := range list {
		last, err := lastOf(ctx, x)
		if err != nil {
			return nil, err
		}
		out[i] = fromLast(&last)
	}
	return out, nil
}

// Passed implements [bridge.Reader]. The broker takes what it does not send for acknowledged, we acknowledge what is delivered, and what cannot be read.
func (r *reader) Passed(ctx context.Context, at codec.Position) (bool, error) {
	ctx, stop := r.u.within(ctx)
	defer stop()
	x := r.group.Consumer(r.spec.Topic)
	if x == nil || !names.Persistent(x.Topic()) {
		return false, nil
	}
	upTo, err := placeOf(ctx, "find out what is left of "+x.Topic(), x.Acknowledged)
	if err != nil {
		return false, err
	}
	id := fromID(&upTo, "")
	return id.Position().Covers(at), nil
}

// EndOfTopic implements [bridge.Reader]: the broker has said so by itself, or has not.
func (r *reader) EndOfTopic(context.Context) (bool, error) {
	list := r.group.Consumers()
	return len(list) > 0 && !slices.ContainsFunc(list, func(x *client.Consumer) bool { return !x.AtEnd() }), nil
}

// Close implements [bridge.Reader].
func (r *reader) Close() {
	r.closeOnce.Do(func() {
		defer close(r.closed)
		r.calling.Lock()
		r.over = true
		r.calling.Unlock()
		over := make(chan struct{})
		r.group.Close(func() { close(over) })
		wait := time.NewTimer(closeTimeout)
		defer wait.Stop()
		select {
		case <-over:
		case <-wait.C: // the broker has not let go yet
		}
		r.u.remove(r)
	})
	<-r.closed
}
