package pulsar

import (
	"context"
	"errors"
	"strings"

	"github.com/pulsegate/pulsegate/codec"
	client "github.com/pulsegate/pulsegate/pulsar"
	"github.com/pulsegate/pulsegate/pulsar/wire"
	names "github.com/pulsegate/pulsegate/topic"
)

// lastOf asks for the last message of a consumer's topic, for as long as it takes to have a connection. ctx is one of
// [Upstream.within].
func lastOf(ctx context.Context, x *client.Consumer) (client.MessageID, error) {
	if !names.Persistent(x.Topic()) { // it keeps none
		return client.MessageID{LedgerID: -1, EntryID: -1, Partition: x.Partition(), BatchIndex: -1}, nil
	}
	return placeOf(ctx, "find the end of "+x.Topic(), x.LastMessageID)
}

// placeOf asks for a place in a consumer's topic, for as long as it takes to have a connection. ctx is one of [Upstream.within].
func placeOf(ctx context.Context, what string, ask func(done func(client.MessageID, error))) (client.MessageID, error) {
	return answeredAgain(ctx, what, func(done func(client.MessageID, error)) {
		ask(func(id client.MessageID, err error) {
			if unknownConsumer(err) {
				err = client.ErrConnection
			}
			done(id, err)
		})
	})
}

// unknownConsumer reports that a broker has just closed the consumer that it was asked by, as it does when it lets go of a topic.
func unknownConsumer(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && (e.Code == wire.MetadataError && strings.Contains(e.Message, "Consumer not found") || e.Code == wire.ConsumerNotFound)
}

// fromLast makes the id that a broker gives as a topic's last one ours. Its batch index is that of the last message in the last
// entry's batch, from which the size follows.
func fromLast(id *client.MessageID) codec.MessageID {
	out := codec.MessageID{LedgerID: id.LedgerID, EntryID: id.EntryID, Partition: id.Partition, BatchIndex: -1}
	if out.EntryID < 0 {
		out.EntryID = -1
	} else if id.BatchIndex > 0 {
		out.BatchIndex, out.BatchSize = id.BatchIndex, id.BatchIndex+1
	}
	return out
}
