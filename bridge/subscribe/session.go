package subscribe

import (
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/latency"
)

// fillBatch and fillBytes are how many messages Fill takes from the queue at a
// time, and at how many bytes it takes no more. What it has taken counts as seen by the
// client if the session ends, so it is small.
const (
	fillBatch = 32
	fillBytes = 64 << 10
)

// session is one session of a subscription: its [member] in the ledger, and what
// it asks. Everything below stats is guarded by sub.mu, except writing, which only Fill touches,
// inTurn and gathered, which are for who calls Handle,
// and the member's opts and out, which are constant.
type session struct {
	sub   *subscription
	stats Counters

	member
	questions     bridge.Questions
	unsubscribing bool
	inTurn        bool

	writing  []pushed
	gathered *gathered // nil: none; they are fewer than it has room for
}

// Counted implements [bridge.Counted].
func (s *session) Counted() (bridge.SessionKind, bridge.Outlet) {
	spec := s.sub.spec.get()
	return bridge.SessionKind{Subscription: spec.Subscription, Type: spec.Type, NonDurable: spec.NonDurable}, s.out
}

// begin lets messages flow.
func (s *session) begin() {
	sub := s.sub
	var e effects
	sub.mu.Lock()
	attached := sub.ledger.attach(&e, &s.member)
	lost := sub.lost
	sub.unlock(&e)
	if attached && lost != nil {
		s.out.End(bridge.CodeOf(lost), lost.Error())
	}
}

// Handle carries out one command.
func (s *session) Handle(frame []byte) error {
	cmd, err := codec.DecodeCommand(frame)
	if err == nil {
		err = cmd.Err
	}
	if err != nil {
		return err
	}
	if cmd.Kind != codec.CommandAck {
		s.acknowledge()
	}
	switch cmd.Kind {
	case codec.CommandAck:
		if err := s.sub.checkTopic(&cmd.ID); err != nil {
			return err
		}
		s.gather(cmd.ID)
	case codec.CommandNack:
		if err := s.sub.checkTopic(&cmd.ID); err != nil {
			return err
		}
		s.refuse(&cmd.ID)
		s.stats.Refused()
	case codec.CommandPermit:
		s.permit(cmd.Permits)
	case codec.CommandUnsubscribe:
		s.unsubscribe()
	case codec.CommandEndOfTopic:
		s.askEndOfTopic()
	case codec.CommandAuthResponse:
		if cmd.Err == nil {
			bridge.Renew(s.out, cmd.Auth) // without authentication there is nothing to renew
		}
	}
	return nil
}

// gathered are the acknowledgements of one turn of input.
type gathered struct {
	ids []codec.MessageID
	all [32]codec.MessageID // where they are
}

var gatherings = sync.Pool{New: func() any { return new(gathered) }}

// BeginTurn implements [bridge.Turner].
func (s *session) BeginTurn() { s.inTurn = true }

// EndTurn implements [bridge.Turner].
func (s *session) EndTurn() {
	s.inTurn = false
	s.acknowledge()
}

// gather acknowledges a message, in a turn together with others.
func (s *session) gather(id codec.MessageID) {
	g := s.gathered
	if g == nil {
		g = gatherings.Get().(*gathered)
		g.ids = g.all[:0]
		s.gathered = g
	}
	g.ids = append(g.ids, id)
	if !s.inTurn || len(g.ids) == len(g.all) {
		s.acknowledge()
	}
}

// acknowledge acknowledges what has gathered.
func (s *session) acknowledge() {
	g := s.gathered
	if g == nil {
		return
	}
	s.gathered = nil
	var e effects
	s.sub.mu.Lock()
	s.sub.ledger.acknowledge(&e, &s.member, g.ids)
	s.sub.unlock(&e)
	s.stats.Acknowledged(len(g.ids))
	clear(g.ids) // they may hold texts
	gatherings.Put(g)
}

func (s *session) refuse(id *codec.MessageID) {
	var e effects
	s.sub.mu.Lock()
	s.sub.ledger.refuse(&e, &s.member, id, clock())
	s.setAlarm(&e)
	s.sub.unlock(&e)
}

func (s *session) permit(n int) {
	var e effects
	s.sub.mu.Lock()
	s.sub.ledger.permit(&e, &s.member, n)
	s.sub.unlock(&e)
}

// ring runs when the alarm goes off.
func (s *session) ring() {
	var e effects
	s.sub.mu.Lock()
	s.sub.ledger.ring(&e, &s.member, clock())
	s.setAlarm(&e)
	s.sub.unlock(&e)
}

// setAlarm sets the timer as the ledger has decided. sub.mu is held, so that a later
// decision is not undone by an earlier one.
func (s *session) setAlarm(e *effects) {
	switch {
	case e.alarm == 0:
	case s.recalls.timer == nil:
		s.recalls.timer = time.AfterFunc(e.alarm-clock(), s.ring)
	default:
		s.recalls.timer.Reset(e.alarm - clock())
	}
}

// Full also stalls a client that acknowledges or refuses what nobody here has
// faster than the broker can be told. What a client does have is bounded by its window.
func (s *session) Full() bool {
	if s.gathered != nil {
		return false // EndTurn is to follow
	}
	sub := s.sub
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if len(s.nacked()) >= maxRefused || s.strays && sub.congested() {
		s.stalled = true
		return true
	}
	return s.questions.Full()
}

// InFlight is always 0: an acknowledgement has no answer.
func (s *session) InFlight() int { return 0 }

// Fill writes what is queued.
func (s *session) Fill(w bridge.Writer) {
	var p *pushed
	format := s.opts.Value().Format
	var wrote latency.Run
	again := 0
	now := clock()
	add := func(dst []byte) []byte {
		if p.m == nil {
			return codec.AppendEndOfTopic(dst, p.end)
		}
		return codec.AppendMessage(dst, p.m, format)
	}
	for w.Room() {
		if len(s.writing) == 0 && !s.takeQueue(now) {
			break
		}
		p = &s.writing[0]
		w.Append(add)
		if p.m != nil {
			if p.m.RedeliveryCount > 0 {
				again++
			}
			wrote.Add(s.stats, len(p.m.Payload), now-p.d.came)
		} else {
			s.answered()
		}
		*p = pushed{}
		s.writing = s.writing[1:]
	}
	if len(s.writing) == 0 {
		s.writing = nil
	}
	wrote.End(s.stats)
	if again > 0 {
		s.stats.Redelivered(again)
	}
}

// takeQueue moves the next part of the queue to writing.
func (s *session) takeQueue(now time.Duration) bool {
	sub := s.sub
	var e effects
	sub.mu.Lock()
	sub.arrival.Over()
	s.writing = sub.ledger.take(&e, &s.member, s.writing, now)
	s.setAlarm(&e)
	sub.unlock(&e)
	return len(s.writing) > 0
}

// Describe implements [bridge.Session].
func (s *session) Describe(i *bridge.SessionInfo) {
	sub := s.sub
	spec := sub.spec.get()
	i.Topic, i.Subscription, i.Type = topicName(&spec), spec.Subscription, spec.Type
	i.Messages = s.stats.Messages()
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.id[0] != 0 && !sub.gone {
		i.Upstream = sub.id[:]
	}
	i.Unacked, i.Sharing = int(s.owned), sub.ledger.expected
	if !s.pull {
		i.Window = int(s.window)
	}
}

// Close detaches the session.
func (s *session) Close() {
	sub := s.sub
	var e effects
	sub.mu.Lock()
	detached := sub.ledger.detach(&e, &s.member)
	if r := s.recalls; detached && r != nil && r.timer != nil {
		r.timer.Stop()
	}
	// When the last session leaves, closing the upstream consumer gives
	// everything back without this, too; but a broker counts as delivered once more only
	// what it was asked for, and another may be about to attach. Where the order counts
	// none can. There a broker that is asked for messages again and finds the consumer gone
	// meanwhile may leave some out for the next one, or on Key_Shared give the keys to others
	// and send them what is published just then first.
	if spec := sub.spec.get(); spec.Type != bridge.Shared {
		e.again = nil
	}
	sub.unlock(&e)
	if detached {
		s.stats.Leave()
		sub.leave()
	}
}
