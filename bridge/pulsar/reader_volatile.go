package pulsar

import (
	"context"
	"crypto/rand"

	"github.com/apache/pulsar-client-go/pulsar"
)

// volatileReader reads a non-persistent topic. All its messages have the same
// id, and the library's reader, which acknowledges each, would leave out
// those that come while the acknowledgement of one before is waiting to be sent.
// A consumer that acknowledges nothing gets them all, and the broker keeps nothing for it.
type volatileReader struct{ pulsar.Consumer }

func (r volatileReader) Next(ctx context.Context) (pulsar.Message, error) { return r.Receive(ctx) }

// openVolatile opens the part on a non-persistent topic, which has no
// positions: it gets what is published from then on.
func (p *readerPart) openVolatile(ctx context.Context) error {
	l := p.newLink()
	o := pulsar.ConsumerOptions{
		Topic:               p.topic,
		SubscriptionName:    "reader-" + rand.Text(),
		Name:                p.r.spec.Name,
		Type:                pulsar.Exclusive,
		SubscriptionMode:    pulsar.NonDurable,
		ReceiverQueueSize:   max(p.r.spec.Queue, 1),
		MessageChannel:      make(chan pulsar.ConsumerMessage),
		AckGroupingOptions:  &pulsar.AckGroupingOptions{MaxSize: 1}, // no timer
		Decryption:          p.r.u.readerDecryption(p.r.spec.CryptoFailure),
		BackOffPolicyFunc:   l.policy,
		AutoDiscoveryPeriod: never,
	}
	up, err := attempt(ctx, p.r.u, "open a reader on "+p.topic,
		func() (pulsar.Consumer, error) { return p.r.u.client.Subscribe(o) },
		p.r.u.closeConsumer)
	if err != nil {
		l.cancel()
		return err
	}
	l.up, l.id = volatileReader{up}, consumerID(up)
	p.use(l)
	return nil
}
