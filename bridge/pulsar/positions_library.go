package pulsar

import (
	"context"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// lastPosition asks for the last message of a concrete, persistent topic on
// behalf of nobody who has a consumer or reader of the client library there:
// only through one can a broker be asked. It is gone when this returns, unless
// that is since ctx has ended.
func (u *Upstream) lastPosition(ctx context.Context, topic string) (codec.MessageID, error) {
	id, err := attempt(ctx, u, "find the end of "+topic, func() (pulsar.MessageID, error) {
		up, err := u.client.CreateReader(pulsar.ReaderOptions{
			Topic: topic, StartMessageID: pulsar.LatestMessageID(), ReceiverQueueSize: 1, Name: "pulsegate-probe",
			Decryption: u.readerDecryption(bridge.CryptoFail),
		})
		if err != nil {
			return nil, err
		}
		defer u.closeReader(up)
		return up.GetLastMessageID()
	}, func(pulsar.MessageID) {})
	if err != nil {
		return codec.MessageID{}, err
	}
	_, partition := names.SplitPartition(topic)
	return lastOfTopic(id, partition), nil
}

// closeReader closes a reader of the client library.
func (u *Upstream) closeReader(up pulsar.Reader) {
	up.Close()
	u.heard.forget(readerID(up))
}

// closeConsumer closes a consumer of the client library.
func (u *Upstream) closeConsumer(up pulsar.Consumer) {
	up.Close()
	u.heard.forget(consumerID(up))
}
