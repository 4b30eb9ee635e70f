package subscribe

import (
	"errors"
	"log/slog"
	"slices"
	"strings"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// checkTopic refuses an id that cannot be of this subscription's topics, and
// completes one that names none on a session over many: the Java proxy's ids
// are like that.
func (sub *subscription) checkTopic(id *codec.MessageID) error {
	topic := sub.spec.topic
	switch {
	case id.Topic == "" && topic == "":
		sub.mu.Lock()
		if d := sub.ledger.held[heldKeyOf(id)]; d != nil {
			id.Topic = d.id.Topic
		}
		sub.mu.Unlock()
	case id.Topic == "" || id.Topic == topic:
		id.Topic = ""
	case topic != "" || !sub.names(id.Topic):
		return &codec.Error{Code: codec.CodeDeserialize, Detail: "messageId belongs to another topic: " + id.Topic}
	}
	return nil
}

// names reports that a topic may be one of a session over many.
func (sub *subscription) names(topic string) bool {
	spec := sub.spec.get()
	return spec.Topics == "" || slices.Contains(strings.Split(spec.Topics, ","), topic)
}

// unsubscribe deletes the subscription. As with Pulsar it fails while others
// consume it; the protocol has no answer for that, so it is logged. A client that
// closes right behind the command is waited for.
func (s *session) unsubscribe() {
	sub, all := s.sub, s.sub.consumers
	sub.mu.Lock()
	if s.unsubscribing || s.closed {
		sub.mu.Unlock()
		return
	}
	s.unsubscribing = true
	others := sub.ledger.expected > 1
	if !others {
		sub.gone = true // nobody joins what is being deleted
	}
	sub.ledger.join() // so that the upstream consumer stays for it
	sub.mu.Unlock()
	if !all.pool.Start(func() {
		defer sub.leave()
		err := error(&bridge.Error{Kind: bridge.ErrSubscriptions, Detail: sub.spec.subscription})
		if !others {
			ctx, stop := all.pool.Limited()
			defer stop()
			if err = sub.onlyFeed().up.Unsubscribe(ctx); err == nil {
				sub.unpool()
			}
		}
		if err != nil && !errors.Is(err, bridge.ErrClosed) {
			all.refused.Log(all.log, slog.LevelWarn, "unsubscribe failed", "topic", sub.spec.topicName(), "subscription", sub.spec.subscription, "error", err)
		}
		sub.mu.Lock()
		s.unsubscribing = false
		sub.gone = err == nil || sub.lost != nil
		sub.mu.Unlock()
	}) {
		sub.leave()
	}
}

// askEndOfTopic answers isEndOfTopic behind what is queued already.
func (s *session) askEndOfTopic() {
	sub, all := s.sub, s.sub.consumers
	sub.mu.Lock()
	run := s.questions.Put()
	sub.mu.Unlock()
	if !run {
		return
	}
	all.pool.Start(func() {
		for more := true; more; {
			ctx, stop := all.pool.Limited()
			end, err := sub.endOfTopic(ctx)
			stop()
			if err != nil {
				all.unknown.Log(all.log, slog.LevelWarn, "end of topic is unknown", "topic", sub.spec.topicName(), "error", err)
			}
			var e effects
			sub.mu.Lock()
			more = s.questions.Asked() && !s.closed
			sub.ledger.answerEnd(&e, &s.member, end)
			sub.unlock(&e)
		}
	})
}

// answered notes that an answer was written.
func (s *session) answered() {
	s.sub.mu.Lock()
	resume := s.questions.Answered()
	s.sub.mu.Unlock()
	if resume {
		s.out.Resume()
	}
}
