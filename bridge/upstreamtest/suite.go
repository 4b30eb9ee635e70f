// Package upstreamtest holds the tests that every [bridge.Upstream] has to
// pass: the contract, as cases.
//
// No case waits a fixed time. What must not happen is shown by something that
// comes after it and does.
package upstreamtest

import (
	"context"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// patience bounds every wait for something that has to happen. It is long
// since it costs time only when a test fails.
const patience = time.Minute

// Env makes what the cases need. A nil function means that the upstream cannot
// do it; the cases that need it are skipped.
type Env struct {
	// Topic names a new topic, persistent, in a namespace that exists. It need not exist.
	Topic func(t testing.TB) string
	// Partitioned makes a new topic of n partitions.
	Partitioned func(t testing.TB, n int) string
	// Missing names a topic in a namespace that does not exist.
	Missing func(t testing.TB) string
	// Admin says that the upstream can ask the cluster's admin API, or need not.
	Admin bool
	// Terminate ends a topic: nothing can be published to it any more.
	Terminate func(t testing.TB, topic string)
	// Disconnect breaks what connects clients to a topic, which may reconnect at once.
	Disconnect func(t testing.TB, topic string)
	// AwaitGone returns once nothing is left of a subscription that is not durable and whose last consumer has left; nil: that is so when
	// [bridge.Consumer.Close] returns.
	AwaitGone func(ctx context.Context, t testing.TB, topic, subscription string)
	// Refuse makes publishes to new topics fail because of a backlog quota,
	// and names a topic to which that applies.
	Refuse func(t testing.TB) string
}

// suite is the state of one case.
type suite struct {
	testing.TB
	up  bridge.Upstream
	env Env
	ctx context.Context
}

// Run runs all cases. newUpstream makes an upstream, which the suite closes; cases of one
// Run share it, and use topics of their own.
func Run(t *testing.T, newUpstream func(t testing.TB) bridge.Upstream, env Env) {
	groups := []struct {
		name  string
		cases []testCase
	}{
		{"Producer", producerCases},
		{"Consumer", consumerCases},
		{"Batch", batchCases},
		{"Subscription", subscriptionCases},
		{"Reader", readerCases},
		{"Position", positionCases},
	}
	up := newUpstream(t)
	defer up.Close()
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.cases {
				t.Run(c.name, func(t *testing.T) {
					if c.needs != nil && !c.needs(&env) {
						t.Skip("this upstream cannot do what the case needs")
					}
					ctx, cancel := context.WithTimeout(context.Background(), patience)
					defer cancel()
					c.run(&suite{TB: t, up: up, env: env, ctx: ctx})
				})
			}
		})
	}
	t.Run("Close", func(t *testing.T) { testClose(t, newUpstream(t), env) })
}

// testCase is one case of the contract.
type testCase struct {
	name  string
	needs func(*Env) bool // nil: nothing
	run   func(*suite)
}

func needsPartitions(e *Env) bool { return e.Partitioned != nil }
func needsTerminate(e *Env) bool  { return e.Terminate != nil }
func needsReconnect(e *Env) bool  { return e.Disconnect != nil }
func needsMissing(e *Env) bool    { return e.Missing != nil }
func needsQuota(e *Env) bool      { return e.Refuse != nil }

func (s *suite) topic() string {
	s.Helper()
	return s.env.Topic(s)
}

// check fails the case at once if err is not nil.
func (s *suite) check(err error, doing string) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", doing, err)
	}
}

// producer makes an unbatched producer that is closed at the end.
func (s *suite) producer(topic string) *sender {
	s.Helper()
	return s.producerOf(bridge.ProducerSpec{Topic: topic, SendTimeout: patience / 2})
}

func (s *suite) producerOf(spec bridge.ProducerSpec) *sender {
	s.Helper()
	p, err := s.up.CreateProducer(s.ctx, spec)
	s.check(err, "create a producer on "+spec.Topic)
	s.Cleanup(p.Close)
	return &sender{s: s, Producer: p}
}

// sender publishes and waits.
type sender struct {
	s *suite
	bridge.Producer
}

// publish sends texts one by one and returns their ids.
func (p *sender) publish(texts ...string) []codec.MessageID {
	p.s.Helper()
	ids := make([]codec.MessageID, 0, len(texts))
	for _, text := range texts {
		ids = append(ids, p.send(&bridge.Outgoing{Payload: []byte(text)}))
	}
	return ids
}

// send publishes one message and returns its id.
func (p *sender) send(m *bridge.Outgoing) codec.MessageID {
	p.s.Helper()
	out := make(outcomes, 1)
	p.Send(m, out)
	r := out.next(p.s)
	p.s.check(r.err, "publish")
	return r.id
}

// batch publishes texts as one batch and returns their ids.
func (s *suite) batch(topic string, texts ...string) []codec.MessageID {
	s.Helper()
	p := s.producerOf(bridge.ProducerSpec{
		Topic: topic, SendTimeout: patience / 2,
		Batching: true, BatchingMaxDelay: patience, BatchingMaxPending: len(texts), // full with the last one, and not before
	})
	out := make(outcomes, len(texts))
	for _, text := range texts {
		p.Send(&bridge.Outgoing{Payload: []byte(text)}, out)
	}
	ids := make([]codec.MessageID, 0, len(texts))
	for range texts {
		r := out.next(s)
		s.check(r.err, "publish in a batch")
		ids = append(ids, r.id)
	}
	return ids
}

// outcomes collects what became of publishes; it has room for all of them.
type outcomes chan outcome

type outcome struct {
	id  codec.MessageID
	err error
}

// Sent implements [bridge.SendDone].
func (o outcomes) Sent(id codec.MessageID, err error) { o <- outcome{id, err} }

func (o outcomes) next(s *suite) outcome {
	s.Helper()
	select {
	case r := <-o:
		return r
	case <-s.ctx.Done():
		s.Fatal("a publish was not answered")
		return outcome{}
	}
}
