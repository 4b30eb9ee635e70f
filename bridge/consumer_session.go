package bridge

import (
	"context"
	"errors"
	"time"

	"github.com/pulsegate/pulsegate/codec"
)

// fillBatch is how many messages Fill takes from the queue at a time. What it
// has taken counts as seen by the client if the session ends, so it is small.
const fillBatch = 32

// maxAhead bounds the messages queued for a session whose socket takes them
// slowly, whatever its window.
const maxAhead = 128

// maxQuestions bounds the isEndOfTopic commands of one session that wait for their answer.
const maxQuestions = 100

// Consume attaches a session that consumes a subscription.
func (b *Bridge) Consume(spec ConsumerSpec, o ConsumeOptions, out Outlet, done Opened) (cancel func()) {
	priority := spec.PriorityLevel
	// A pull session's permits know no bound, so it cannot share one.
	own := o.Pull
	if spec.Type == Shared && !own {
		// The level decides among the sessions of a group.
		spec.PriorityLevel, spec.HasPriority = 0, false
	}
	spec.RedeliveryTick = redeliveryTick(&spec, &o)
	// What waits upstream for the window to have room is the gateway's memory.
	spec.Queue = min(spec.Queue, 2*maxAhead)
	return b.open(func(ctx context.Context) (Session, error) {
		sub, err := b.consumerGroup(ctx, spec, o.Window, own)
		if err != nil {
			return nil, err
		}
		s := &consumerSession{sub: sub, opts: o, priority: priority, out: out}
		s.stats = b.stats.consumer(ConsumerStats{
			RemoteAddr: out.RemoteAddr(), Subscription: spec.Subscription, Type: spec.Type, NonDurable: spec.NonDurable,
		}, spec.topicName())
		return s, nil
	}, func(s Session, err error) {
		done(s, err)
		if err == nil {
			// Only now may messages flow: the client has been told that it is open.
			s.(*consumerSession).begin()
		}
	})
}

// redeliveryTick picks how long a redelivery may take: a group redelivers
// at once what a session that left had not acknowledged; a session of its own
// closes its consumer then, and only its delays count.
func redeliveryTick(spec *ConsumerSpec, o *ConsumeOptions) time.Duration {
	const group, longest = 300 * time.Millisecond, 20 * time.Second
	tick := longest
	if spec.Type == Shared && !o.Pull {
		tick = group
	}
	tick = min(tick, o.NackDelay/3)
	if o.AckTimeout > 0 {
		tick = min(tick, o.AckTimeout/3)
	}
	return max(tick, 3*time.Millisecond)
}

// consumerSession is one session of a subscription. Everything below out is
// guarded by sub.mu, except writing, which only Fill touches.
//
// queue is bounded by maxAhead, what was granted before it filled up, and maxQuestions; nacked by
// what the broker lets a consumer hold.
type consumerSession struct {
	sub      *subscription
	opts     ConsumeOptions
	priority int
	out      Outlet
	stats    *consumerCounters

	counted        int       // room as the subscription last counted it
	held           int       // messages this session owns
	oldest, newest *delivery // they, in the order they were given
	permits        int       // pull mode
	ready          bool      // in sub.ready
	attached       bool
	closed         bool
	queue          []pushed // to be written
	questions      int      // isEndOfTopic commands to be answered
	asking         bool     // a goroutine is answering them
	nacked         []nack   // waiting for their delay, soonest first
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
	switch {
	case s.closed || !s.attached:
		return 0
	case s.opts.Pull:
		return max(0, min(s.permits, maxAhead-len(s.queue)))
	}
	return max(0, min(s.opts.Window-s.held, maxAhead-len(s.queue)))
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
		if err := s.checkTopic(&cmd.ID); err != nil {
			return err
		}
		s.sub.acknowledge(s, cmd.ID)
		s.sub.b.stats.acked(s.stats)
	case codec.CommandNack:
		if err := s.checkTopic(&cmd.ID); err != nil {
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
		// Nobody asked: without authentication there is nothing to refresh.
	}
	return nil
}

// checkTopic refuses an id that cannot be of this session's topics. On a
// session over many topics the Java proxy's ids name none: they are taken as
// long as the message is in somebody's hands, since ledgers are never shared by topics.
func (s *consumerSession) checkTopic(id *codec.MessageID) error {
	many := s.sub.spec.Topic == ""
	switch {
	case many && id.Topic == "" && !s.sub.findTopic(id):
		return &codec.Error{Code: codec.CodeDeserialize, Detail: "messageId is not of this session: it names no topic"}
	case !many && id.Topic != "" && id.Topic != s.sub.spec.Topic:
		return &codec.Error{Code: codec.CodeDeserialize, Detail: "messageId is of another topic: " + id.Topic}
	case !many:
		id.Topic = ""
	}
	return nil
}

// permit adds to what a pull session may be sent. In push mode it means nothing.
func (s *consumerSession) permit(n int) {
	const most = 1 << 30 // permits add up; a sum that could overflow is no bound any more
	if !s.opts.Pull || n <= 0 {
		return
	}
	sub := s.sub
	sub.mu.Lock()
	s.permits += min(n, most-s.permits)
	sub.recount(s)
	grant := sub.settle()
	sub.mu.Unlock()
	if grant > 0 {
		sub.up.Permit(grant)
	}
}

// unsubscribe deletes the subscription. As with Pulsar it fails while others
// consume it; the protocol has no answer for that, so it is logged.
func (s *consumerSession) unsubscribe() {
	sub, b := s.sub, s.sub.b
	b.start(func() {
		sub.mu.Lock()
		others := sub.members > 1
		sub.gone = sub.gone || !others // nobody joins what is being deleted
		sub.mu.Unlock()
		err := error(&Error{Kind: ErrSubscriptions, Detail: sub.spec.Subscription})
		if !others {
			ctx, stop := context.WithTimeout(b.ctx, b.opts.OpenTimeout)
			defer stop()
			sub.unpool()
			err = sub.up.Unsubscribe(ctx)
		}
		if err != nil && !errors.Is(err, ErrClosed) {
			b.opts.Logger.Warn("unsubscribe failed", "topic", sub.spec.topicName(), "subscription", sub.spec.Subscription, "error", err)
		}
	})
}

// askEndOfTopic answers isEndOfTopic behind what is queued already. The
// upstream may have to ask the broker, so that happens on a goroutine, one a session.
func (s *consumerSession) askEndOfTopic() {
	sub, b := s.sub, s.sub.b
	sub.mu.Lock()
	s.questions++
	run := !s.asking
	s.asking = true
	sub.mu.Unlock()
	if !run {
		return
	}
	b.start(func() {
		for {
			ctx, stop := context.WithTimeout(b.ctx, b.opts.OpenTimeout)
			end, err := sub.up.EndOfTopic(ctx)
			stop()
			if err != nil {
				b.opts.Logger.Warn("end of topic is unknown", "topic", sub.spec.topicName(), "error", err)
			}
			sub.mu.Lock()
			s.questions--
			s.asking = s.questions > 0 && !s.closed
			more := s.asking
			if !s.closed {
				s.queue = append(s.queue, pushed{end: end && len(sub.waiting) == 0})
			}
			sub.mu.Unlock()
			s.out.Wake()
			if !more {
				s.out.Resume()
				return
			}
		}
	})
}

func (s *consumerSession) Full() bool {
	s.sub.mu.Lock()
	defer s.sub.mu.Unlock()
	return s.questions >= maxQuestions
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
		}
		*p = pushed{}
		s.writing = s.writing[1:]
	}
}

// takeQueue moves the next part of the queue to writing.
func (s *consumerSession) takeQueue() bool {
	sub := s.sub
	sub.mu.Lock()
	if len(s.queue) <= fillBatch {
		s.writing, s.queue = s.queue, nil
	} else {
		s.writing, s.queue = s.queue[:fillBatch:fillBatch], s.queue[fillBatch:]
	}
	sub.recount(s)
	grant := sub.settle()
	sub.mu.Unlock()
	if grant > 0 {
		sub.up.Permit(grant)
	}
	return len(s.writing) > 0
}

// Close detaches the session.
func (s *consumerSession) Close() {
	if !s.sub.detach(s) {
		return
	}
	s.sub.b.stats.dropConsumer(s.stats)
	s.sub.leave(s.opts.Window)
}
