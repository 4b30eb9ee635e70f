package route

import (
	"math"
	"strings"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/topic"
)

const (
	defaultNackDelay = time.Minute
	leastAckTimeout  = time.Second
)

// consumer reads a consumer's parameters.
func (p params) consumer(e endpoint, o Options, r *Request) (err error) {
	s, c := &r.Consumer, &r.Consume
	s.Subscription = e.subscription
	if !e.many {
		s.Topic, r.Topics = e.topic.String(), []topic.Name{e.topic}
	} else if err = p.manyTopics(r, o); err != nil {
		return err
	}
	if s.Type, err = choice(p, "subscriptionType",
		word[bridge.SubscriptionType]{"Exclusive", bridge.Exclusive},
		word[bridge.SubscriptionType]{"Shared", bridge.Shared},
		word[bridge.SubscriptionType]{"Failover", bridge.Failover},
		word[bridge.SubscriptionType]{"Key_Shared", bridge.KeyShared}); err != nil {
		return err
	}
	mode, err := choice(p, "subscriptionMode", word[uint8]{"Durable", 0}, word[uint8]{"NonDurable", 1})
	if err != nil {
		return err
	}
	s.NonDurable = mode == 1
	start, err := choice(p, "subscriptionInitialPosition", word[uint8]{"Latest", 0}, word[uint8]{"Earliest", 1})
	if err != nil {
		return err
	}
	s.Earliest = start == 1
	if s.Name, err = p.name("consumerName"); err != nil {
		return err
	}
	level, err := p.number("priorityLevel", 0, math.MaxInt32, 0)
	if err != nil {
		return err
	}
	s.PriorityLevel = int(level)
	if s.CryptoFailure, err = p.cryptoFailure(); err != nil {
		return err
	}
	if err = p.deadLetters(s, o); err != nil {
		return err
	}
	if s.Queue, err = p.queue(); err != nil {
		return err
	}
	c.Window, c.Pull = s.Queue, p.flag("pullMode")
	return p.redelivery(c)
}

// manyTopics reads what a v3 session consumes.
func (p params) manyTopics(r *Request, o Options) (err error) {
	topics, list := p["topics"]
	pattern, byPattern := p["topicsPattern"]
	switch {
	case list && byPattern:
		return invalid("topics and topicsPattern cannot both be given")
	case list:
		r.Topics, err = topicList(topics, o)
		r.Consumer.Topics = joined(r.Topics)
	case byPattern:
		var name topic.Name
		name, err = topicPattern(pattern, o)
		r.Pattern, r.Consumer.TopicsPattern = &name, name.String()
	default:
		return invalid("topics or topicsPattern must be given")
	}
	return err
}

// deadLetters reads when a message is given up and where it goes then.
func (p params) deadLetters(s *bridge.ConsumerSpec, o Options) error {
	given, err := p.name("deadLetterTopic")
	if err != nil {
		return err
	}
	if given != "" && !p.has("maxRedeliverCount") {
		return invalid("deadLetterTopic requires maxRedeliverCount")
	}
	n, err := p.number("maxRedeliverCount", 1, math.MaxInt32, 0)
	if err != nil {
		return err
	}
	s.MaxRedeliver = int(n)
	if given = strings.TrimSpace(given); given == "" {
		return nil
	}
	name, err := fullName("deadLetterTopic", given, o)
	s.DeadLetterTopic = name.String()
	return err
}

// redelivery reads when a message that is not acknowledged comes again.
func (p params) redelivery(o *bridge.ConsumeOptions) (err error) {
	if o.AckTimeout, err = p.millis("ackTimeoutMillis", 0, 0); err != nil {
		return err
	}
	if o.AckTimeout != 0 && o.AckTimeout < leastAckTimeout {
		return invalid("ackTimeoutMillis: %s must be 0 (none) or at least %d", shown(p["ackTimeoutMillis"]), leastAckTimeout.Milliseconds())
	}
	if o.NackDelay, err = p.millis("negativeAckRedeliveryDelay", 0, defaultNackDelay); err != nil {
		return err
	}
	return nil
}

func (p params) cryptoFailure() (bridge.CryptoFailureAction, error) {
	return choice(p, "cryptoFailureAction",
		word[bridge.CryptoFailureAction]{"FAIL", bridge.CryptoFail},
		word[bridge.CryptoFailureAction]{"DISCARD", bridge.CryptoDiscard},
		word[bridge.CryptoFailureAction]{"CONSUME", bridge.CryptoConsume})
}
