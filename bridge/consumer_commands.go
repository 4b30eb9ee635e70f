package bridge

import (
	"context"
	"errors"
	"slices"
	"strings"

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
		return &codec.Error{Code: codec.CodeDeserialize, Detail: "messageId is of another topic: " + id.Topic}
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
func (s *consumerSession) unsubscribe() {
	sub, b := s.sub, s.sub.b
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
	if !b.start(func() {
		defer sub.leave()
		err := error(&Error{Kind: ErrSubscriptions, Detail: sub.spec.subscription})
		if !others {
			ctx, stop := context.WithTimeout(b.ctx, b.opts.OpenTimeout)
			defer stop()
			if err = sub.onlyFeed().up.Unsubscribe(ctx); err == nil {
				sub.unpool()
			}
		}
		if err != nil && !errors.Is(err, ErrClosed) {
			b.opts.Logger.Warn("unsubscribe failed", "topic", sub.spec.topicName(), "subscription", sub.spec.subscription, "error", err)
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
func (s *consumerSession) askEndOfTopic() {
	sub, b := s.sub, s.sub.b
	sub.mu.Lock()
	run := s.questions.put()
	sub.mu.Unlock()
	if !run {
		return
	}
	b.start(func() {
		for more := true; more; {
			ctx, stop := context.WithTimeout(b.ctx, b.opts.OpenTimeout)
			end, err := sub.endOfTopic(ctx)
			stop()
			if err != nil {
				b.opts.Logger.Warn("end of topic is unknown", "topic", sub.spec.topicName(), "error", err)
			}
			var e effects
			sub.mu.Lock()
			more = s.questions.asked() && !s.closed
			sub.ledger.answerEnd(&e, &s.member, end)
			sub.unlock(&e)
		}
	})
}

// answered notes that an answer was written.
func (s *consumerSession) answered() {
	s.sub.mu.Lock()
	resume := s.questions.answered()
	s.sub.mu.Unlock()
	if resume {
		s.out.Resume()
	}
}
