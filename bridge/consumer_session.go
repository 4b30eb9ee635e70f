package bridge

import (
	"context"
	"time"

	"github.com/pulsegate/pulsegate/codec"
)

// fillBatch and fillBytes are how many messages Fill takes from the queue at a
// time, and at how many bytes it takes no more. What it has taken counts as seen by the
// client if the session ends, so it is small.
const (
	fillBatch = 32
	fillBytes = 64 << 10
)

// maxNacked bounds the messages of one session that wait for their redelivery.
// A broker stops sending to a consumer that leaves too many unsettled.
const maxNacked = 10_000

// maxRefused bounds the same where the client names messages that it does not
// have; at the bound its socket is not read until some are due.
const maxRefused = 50_000

// redeliveryTick is how late a redelivery may reach the broker. It comes on top
// of the delays that clients ask for.
const redeliveryTick = 100 * time.Millisecond

// Consume attaches a session that consumes a subscription.
func (b *Bridge) Consume(spec ConsumerSpec, o ConsumeOptions, out Outlet, done Opened) (cancel func()) {
	own := o.Pull // a pull session's permits know no bound, so it shares with nobody
	if spec.Topic == "" {
		spec.MaxTopics = b.limits.Load().MaxTopics
	}
	spec.RedeliveryTick = redeliveryTick
	return b.open(func(ctx context.Context) (Session, error) {
		sub, err := b.consumerGroup(ctx, spec, own)
		if err != nil {
			return nil, err
		}
		s := &consumerSession{sub: sub, opts: o, out: out}
		s.stats = b.stats.consumer(ConsumerStats{
			Subscription: sub.spec.Subscription, Type: spec.Type, NonDurable: spec.NonDurable,
		}, out, sub.spec.topicName())
		return s, nil
	}, func(s Session, err error) {
		done(s, err)
		if err == nil {
			// Only now may messages flow: the client has been told that it is open.
			s.(*consumerSession).begin()
		}
	})
}

// consumerSession is one session of a subscription. Everything below out is
// guarded by sub.mu, except writing, which only Fill touches.
//
// queue is bounded by sub.ahead, what was granted before it filled up, and
// maxQuestions; nacked by maxRefused.
type consumerSession struct {
	sub   *subscription
	opts  ConsumeOptions
	out   Outlet
	stats *consumerCounters

	counted        int32     // room as the subscription last counted it
	left           int32     // places, likewise
	held           int       // messages this session owns
	oldest, newest *delivery // they, in the order they were given
	permits        int       // pull mode
	ready          bool      // in sub.ready
	attached       bool
	closed         bool
	queue          []pushed // to be written
	questions      questions
	unsubscribing  bool
	strays         bool   // the client names messages that nobody here has
	stalled        bool   // Full has said so, and Resume is owed
	nacked         []nack // waiting for their delay, soonest first
	timer          *time.Timer
	ringsAt        time.Time // when timer fires; zero: it does not

	writing []pushed
}

// pushed is one thing to write: a message or the answer to isEndOfTopic.
type pushed struct {
	m   *codec.Message
	d   *delivery // of m
	end bool
}

// begin lets messages flow.
func (s *consumerSession) begin() {
	s.sub.attach(s)
}

// room is how many more messages the session takes now. Called with sub.mu held.
func (s *consumerSession) room() int {
	if s.closed || !s.attached || len(s.nacked) >= maxNacked {
		return 0
	}
	return max(0, min(s.places(), s.sub.ahead.count(s.sub.b.opts.Memory.Allowance())-len(s.queue)))
}

// places is what is left of the window or of the permits. Called with sub.mu held.
func (s *consumerSession) places() int {
	if s.opts.Pull {
		return s.permits
	}
	return s.opts.Window - s.held
}

// Handle carries out one command.
func (s *consumerSession) Handle(frame []byte) error {
	cmd, err := codec.DecodeCommand(frame)
	if err == nil {
		err = cmd.Err
	}
	if err != nil {
		return err
	}
	switch cmd.Kind {
	case codec.CommandAck:
		if err := s.sub.checkTopic(&cmd.ID); err != nil {
			return err
		}
		s.sub.acknowledge(s, cmd.ID)
		s.sub.b.stats.acked(s.stats)
	case codec.CommandNack:
		if err := s.sub.checkTopic(&cmd.ID); err != nil {
			return err
		}
		s.negativeAck(&cmd.ID)
		s.sub.b.stats.nacked.Add(1)
	case codec.CommandPermit:
		s.permit(cmd.Permits)
	case codec.CommandUnsubscribe:
		s.unsubscribe()
	case codec.CommandEndOfTopic:
		s.askEndOfTopic()
	case codec.CommandAuthResponse:
		if cmd.Err == nil {
			renew(s.out, cmd.Auth) // without authentication there is nothing to renew
		}
	}
	return nil
}

// maxPermits bounds the permits of a pull session, which add up: a sum that could
// overflow is no bound any more.
const maxPermits = 1 << 30

// permit adds to what a pull session may be sent. In push mode it means nothing.
func (s *consumerSession) permit(n int) {
	if !s.opts.Pull || n <= 0 {
		return
	}
	sub := s.sub
	sub.mu.Lock()
	s.permits += min(n, maxPermits-s.permits)
	sub.recount(s)
	permits := sub.settle()
	sub.mu.Unlock()
	permits.give()
}

// Full also stalls a client that acknowledges or refuses what nobody here has
// faster than the broker can be told. What a client does have is bounded by its window.
func (s *consumerSession) Full() bool {
	sub := s.sub
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if len(s.nacked) >= maxRefused || s.strays && sub.congested() {
		s.stalled = true
		return true
	}
	return s.questions.full()
}

// unstall resumes a session that Full has stalled, which then asks again.
// Called with sub.mu held.
func (s *consumerSession) unstall() {
	if s.stalled {
		s.stalled = false
		s.out.Resume()
	}
}

// InFlight is always 0: an acknowledgement has no answer.
func (s *consumerSession) InFlight() int { return 0 }

// Fill writes what is queued.
func (s *consumerSession) Fill(w Writer) {
	var p *pushed
	add := func(dst []byte) []byte {
		if p.m == nil {
			return codec.AppendEndOfTopic(dst, p.end)
		}
		return codec.AppendMessage(dst, p.m, s.opts.Format)
	}
	for w.Room() {
		if len(s.writing) == 0 && !s.takeQueue() {
			return
		}
		p = &s.writing[0]
		w.Append(add)
		if p.m != nil {
			s.sub.b.stats.delivered(s.stats, int64(len(p.m.Payload)))
		} else {
			s.answered()
		}
		*p = pushed{}
		s.writing = s.writing[1:]
	}
	if len(s.writing) == 0 {
		s.writing = nil
	}
}

// takeQueue moves the next part of the queue to writing. What was acknowledged
// or asked for again while it waited is left out.
func (s *consumerSession) takeQueue() bool {
	sub := s.sub
	now := time.Now()
	sub.mu.Lock()
	n, bytes := 0, 0
	for _, p := range s.queue {
		if len(s.writing) == fillBatch || bytes >= fillBytes {
			break
		}
		n++
		if p.m != nil {
			bytes += messageSize(p.m)
		}
		if p.d != nil {
			if p.d.owner != s {
				continue
			}
			s.begins(p.d, now)
		}
		s.writing = append(s.writing, p)
	}
	sub.holdQueued(-bytes)
	clear(s.queue[:n])
	if s.queue = s.queue[n:]; len(s.queue) == 0 {
		s.queue = nil
	}
	sub.recount(s)
	permits := sub.settle()
	sub.mu.Unlock()
	permits.give()
	return len(s.writing) > 0
}

// Close detaches the session.
func (s *consumerSession) Close() {
	if !s.sub.detach(s) {
		return
	}
	s.sub.b.stats.dropConsumer(s.stats)
	s.sub.leave()
}
