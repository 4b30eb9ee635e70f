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
		s := &consumerSession{sub: sub, member: member{opts: o, out: out}}
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

// consumerSession is one session of a subscription: its [member] in the ledger, and what
// it asks. Everything below stats is guarded by sub.mu, except writing, which only Fill touches,
// and the member's opts and out, which are constant.
type consumerSession struct {
	sub   *subscription
	stats *consumerCounters

	member
	questions     questions
	unsubscribing bool
	timer         *time.Timer // calls ring

	writing []pushed
}

// begin lets messages flow.
func (s *consumerSession) begin() {
	sub := s.sub
	var e effects
	sub.mu.Lock()
	attached := sub.ledger.attach(&e, &s.member)
	lost := sub.lost
	sub.unlock(&e)
	if attached && lost != nil {
		s.out.End(codeOf(lost), lost.Error())
	}
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
		s.acknowledge(&cmd.ID)
		s.sub.b.stats.acked(s.stats)
	case codec.CommandNack:
		if err := s.sub.checkTopic(&cmd.ID); err != nil {
			return err
		}
		s.refuse(&cmd.ID)
		s.sub.b.stats.sums.nacked.Add(1)
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

func (s *consumerSession) acknowledge(id *codec.MessageID) {
	var e effects
	s.sub.mu.Lock()
	s.sub.ledger.acknowledge(&e, &s.member, id)
	s.sub.unlock(&e)
}

func (s *consumerSession) refuse(id *codec.MessageID) {
	var e effects
	s.sub.mu.Lock()
	s.sub.ledger.refuse(&e, &s.member, id, clock())
	s.setAlarm(&e)
	s.sub.unlock(&e)
}

func (s *consumerSession) permit(n int) {
	var e effects
	s.sub.mu.Lock()
	s.sub.ledger.permit(&e, &s.member, n)
	s.sub.unlock(&e)
}

// ring runs when the alarm goes off.
func (s *consumerSession) ring() {
	var e effects
	s.sub.mu.Lock()
	s.sub.ledger.ring(&e, &s.member, clock())
	s.setAlarm(&e)
	s.sub.unlock(&e)
}

// setAlarm sets the timer as the ledger has decided. sub.mu is held, so that a later
// decision is not undone by an earlier one.
func (s *consumerSession) setAlarm(e *effects) {
	switch {
	case e.alarm == 0:
	case s.timer == nil:
		s.timer = time.AfterFunc(e.alarm-clock(), s.ring)
	default:
		s.timer.Reset(e.alarm - clock())
	}
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

// InFlight is always 0: an acknowledgement has no answer.
func (s *consumerSession) InFlight() int { return 0 }

// Fill writes what is queued.
func (s *consumerSession) Fill(w Writer) {
	var p *pushed
	var wrote written
	now := clock()
	add := func(dst []byte) []byte {
		if p.m == nil {
			return codec.AppendEndOfTopic(dst, p.end)
		}
		return codec.AppendMessage(dst, p.m, s.opts.Format)
	}
	for w.Room() {
		if len(s.writing) == 0 && !s.takeQueue(now) {
			break
		}
		p = &s.writing[0]
		w.Append(add)
		if p.m != nil {
			s.sub.b.stats.write(s.stats, &wrote, len(p.m.Payload), p.m.RedeliveryCount > 0, now-p.d.came)
		} else {
			s.answered()
		}
		*p = pushed{}
		s.writing = s.writing[1:]
	}
	if len(s.writing) == 0 {
		s.writing = nil
	}
	s.sub.b.stats.delivered(s.stats, &wrote)
}

// takeQueue moves the next part of the queue to writing.
func (s *consumerSession) takeQueue(now time.Duration) bool {
	sub := s.sub
	var e effects
	sub.mu.Lock()
	sub.arrival.over()
	s.writing = sub.ledger.take(&e, &s.member, s.writing, now)
	s.setAlarm(&e)
	sub.unlock(&e)
	return len(s.writing) > 0
}

// Close detaches the session.
func (s *consumerSession) Close() {
	sub := s.sub
	var e effects
	sub.mu.Lock()
	detached := sub.ledger.detach(&e, &s.member)
	if detached && s.timer != nil {
		s.timer.Stop()
	}
	// When the last session leaves, closing the upstream consumer gives
	// everything back without this, too; but a broker counts as delivered once more only
	// what it was asked for, and another may be about to attach. Where the order counts
	// none can, and a broker that is asked for messages again and finds the consumer gone
	// meanwhile may leave some out for the next one.
	if sub.spec.singleActive() {
		e.again = nil
	}
	sub.unlock(&e)
	if detached {
		sub.b.stats.dropConsumer(s.stats)
		sub.leave()
	}
}
