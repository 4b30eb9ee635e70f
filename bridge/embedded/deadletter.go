package embedded

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

// deadLetterRetry is how long a dead letter that could not be published waits.
const deadLetterRetry = time.Second

// The properties that Pulsar's Java client adds to a dead letter, unless the
// message has them already from an earlier one.
const (
	propRealTopic        = "REAL_TOPIC"
	propRealSubscription = "REAL_SUBSCRIPTION"
	propOriginMessage    = "ORIGIN_MESSAGE_ID"
	propOriginMessageOld = "ORIGIN_MESSAGE_IDY_TIME" // its name before Pulsar 2.8, still written
)

// letter is a message on its way to the dead letter topic. It is published at
// the end of the step that buried it; if that fails, it is tried again each
// deadLetterRetry. Until it is there it stays in the backlog.
type letter struct {
	s     *subscription
	m     *message
	topic string
}

// bury makes a message a dead letter of the member that was to get it again.
func (s *subscription) bury(mb *member, m *message, sl *slot) {
	sl.state = buried
	topic := mb.c.spec.DeadLetterTopic
	switch {
	case topic == "":
		topic = s.t.Partitioned() + "-" + s.name + "-DLQ"
	case !strings.Contains(topic, "://"):
		if !strings.Contains(topic, "/") {
			topic = "public/default/" + topic
		}
		topic = "persistent://" + topic
	}
	s.t.u.letters = append(s.t.u.letters, letter{s, m, topic})
}

// settle finishes a step: it publishes the dead letters and uses the permits
// that were given back. Called with mu held.
func (u *Upstream) settle() {
	for len(u.letters)+len(u.repaid) > 0 {
		if n := len(u.repaid); n > 0 {
			c := u.repaid[n-1]
			u.repaid = u.repaid[:n-1]
			c.serve()
			continue
		}
		l := u.letters[0]
		u.letters = u.letters[1:]
		if !l.live() {
			continue
		}
		if err := l.publish(); err != nil {
			u.unburied++
			u.at(time.Now().Add(deadLetterRetry), &l)
			continue
		}
		u.buried++
		l.s.ack(l.m.seq)
		l.s.dispatch()
	}
	u.letters, u.repaid = nil, nil
}

// DeadLetters implements [bridge.Burier].
func (u *Upstream) DeadLetters() (moved, failed uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.buried, u.unburied
}

var _ bridge.Burier = (*Upstream)(nil)

// live reports that the message was not acknowledged meanwhile.
func (l *letter) live() bool {
	return l.s.t.subs[l.s.name] == l.s && l.m.seq >= l.s.mark && l.s.slot(l.m.seq).state == buried
}

func (l *letter) due() { l.s.t.u.letters = append(l.s.t.u.letters, *l) }

// publish sends the message to its dead letter topic, with its key, event time
// and properties.
func (l *letter) publish() error {
	topics, err := l.s.t.u.resolve(l.topic)
	if err != nil {
		return err
	}
	m := &message{payload: l.m.payload, key: l.m.key, hasKey: l.m.hasKey, event: l.m.event}
	origin := l.origin()
	m.properties = map[string]string{
		propRealTopic: l.s.t.String(), propRealSubscription: l.s.name, propOriginMessage: origin, propOriginMessageOld: origin,
	}
	maps.Copy(m.properties, l.m.properties)
	m.cost = costOf(m)
	t := topics[0]
	if m.hasKey {
		t = topics[keyHash(bridge.JavaStringHash, m.key)%uint32(len(topics))]
	}
	if err := t.charge([]*message{m}); err != nil {
		return err
	}
	t.append([]*message{m}, false, time.Now())
	return nil
}

// origin is the message's id as Java's clients print it.
func (l *letter) origin() string {
	id := l.s.t.id(l.m)
	text := fmt.Sprintf("%d:%d:%d", id.LedgerID, id.EntryID, id.Partition)
	if id.BatchIndex >= 0 {
		text += fmt.Sprintf(":%d", id.BatchIndex)
	}
	return text
}
