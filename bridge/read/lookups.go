package read

import (
	"context"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/pool"
	"github.com/pulsegate/pulsegate/codec"
)

const (
	// maxLookUps bounds the look-ups of one tail that are under way, each of which has an upstream reader.
	maxLookUps = 8

	// originWithin is how long a session waits, in all, for the times of the messages that its tails begin behind. It can do without.
	originWithin = 5 * time.Second

	// firstPassed and lastPassed are how long a look-up waits for its message before it asks again whether that is still to come, at first and at most.
	firstPassed = 10 * time.Millisecond
	lastPassed  = time.Second
)

// lookUps ask a tail's broker when messages were published. Sessions that ask for the same position share the answer; those
// beyond maxLookUps wait. mu guards what follows it.
type lookUps struct {
	slots chan struct{}

	mu    sync.Mutex
	under map[codec.MessageID]*answer[int64]
}

// looks are the tail's look-ups, which few tails have.
func (t *tail) looks() *lookUps {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lookUps == nil {
		t.lookUps = &lookUps{slots: make(chan struct{}, maxLookUps), under: map[codec.MessageID]*answer[int64]{}}
	}
	return t.lookUps
}

// lookUp asks when the message at id was published, in ms since 1970; 0: it does not say, or is gone. The id must not be behind the topic's end:
// what is not gone is waited for as long as an opening may take.
func (t *tail) lookUp(ctx context.Context, id codec.MessageID) (at int64, err error) {
	l := t.looks()
	l.mu.Lock()
	a := l.under[id]
	l.mu.Unlock()
	if a == nil {
		select {
		case l.slots <- struct{}{}:
			a = t.begun(l, id)
		case <-ctx.Done():
			return 0, t.lookError(ctx)
		}
	}
	select {
	case <-a.done:
		return a.value, a.err
	case <-ctx.Done():
		return 0, t.lookError(ctx)
	}
}

func (t *tail) lookError(ctx context.Context) error {
	return pool.OpenError(ctx, "reading when a message of "+t.key.topic+" was published")
}

// begun begins a look-up, unless it is under way. The caller has a slot, which is given back.
func (t *tail) begun(l *lookUps, id codec.MessageID) *answer[int64] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.under[id]; a != nil {
		<-l.slots
		return a
	}
	a := &answer[int64]{done: make(chan struct{})}
	l.under[id] = a
	end := func() {
		delete(l.under, id)
		<-l.slots
		close(a.done)
	}
	keeper := t.readers.pool
	if !keeper.Start(func() {
		ctx, stop := keeper.Limited()
		defer stop()
		a.value, a.err = t.look(ctx, id)
		l.mu.Lock()
		defer l.mu.Unlock()
		end()
	}) {
		a.err = pool.ErrShutdown
		end()
	}
	return a
}

// look reads the message at id, or finds it gone. What is left behind it does not tell when it was published, and may be nothing that a reader gets.
func (t *tail) look(ctx context.Context, id codec.MessageID) (at int64, err error) {
	release, err := t.slot(ctx)
	if err != nil {
		return 0, err
	}
	first := &firstTime{at: id.Position(), came: make(chan int64, 1), lost: make(chan error, 1)}
	up, err := t.readers.up.OpenReader(ctx, bridge.ReaderSpec{Topic: t.key.topic, Principal: t.key.principal, Start: bridge.StartAtPosition, Position: id,
		Inclusive: true, Queue: 1, CryptoFailure: bridge.CryptoConsume, Chunks: true}, first)
	release()
	if err != nil {
		return 0, err
	}
	defer up.Close()
	up.Permit(1)
	wait := firstPassed
	pause := time.NewTimer(wait)
	defer pause.Stop()
	for {
		select {
		case at = <-first.came:
			return at, nil
		case err = <-first.lost:
			return 0, err
		case <-ctx.Done():
			return 0, t.lookError(ctx)
		case <-pause.C:
		}
		if passed, err := up.Passed(ctx, id.Position()); err == nil && passed { // without an answer it may come still
			select {
			case at = <-first.came:
			default: // it was passed over
			}
			return at, nil
		}
		wait = min(2*wait, lastPassed)
		pause.Reset(wait)
	}
}

// learnOrigin asks for the time of the message that the tail begins behind, if that may tell whether it has all that was published at a time or later, and
// has not been asked for. There may be none to be had, and it may take longer than ctx.
func (t *tail) learnOrigin(ctx context.Context, since int64) {
	t.mu.Lock()
	ask := t.ring.first == 0 && !t.originAsked && !t.holdsSince(since)
	t.mu.Unlock()
	if !ask || ctx.Err() != nil {
		return
	}
	at, err := t.lookUp(ctx, t.origin)
	if ctx.Err() == context.Canceled {
		return // that says nothing
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.originAsked = true
	if err == nil {
		t.originAt = at
	}
}

// firstTime is a [bridge.Receiver] of one message, which is to be that at a position. It keeps the time of publishing.
type firstTime struct {
	at   codec.Position
	came chan int64 // holds one, in ms since 1970; 0: there is none, or it is another message
	lost chan error // holds one
}

// Deliver implements [bridge.Receiver].
func (r *firstTime) Deliver(m *codec.Message) {
	at := int64(0)
	if !m.PublishTime.IsZero() && r.at.SameEntry(m.ID.Position()) {
		at = m.PublishTime.UnixMilli()
	}
	select {
	case r.came <- at:
	default:
	}
}

// Lost implements [bridge.Receiver].
func (r *firstTime) Lost(err error) {
	select {
	case r.lost <- err:
	default:
	}
}
