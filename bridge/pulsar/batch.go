package pulsar

import (
	"reflect"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
)

// libraryBatch is the batch that the client library is collecting for a
// producer, and how it is made to end where another sender's messages begin.
//
// pulsar-client-go v0.19.0 adds what comes to one batch, until that is full or
// its time is up. Just before, it shows the message to our logger, on the goroutine that
// collects; there the batch is declared full if the message is the first of
// another sender (see [beginsBatch]): the library sends it, and begins the next.
type libraryBatch struct {
	messages *uint // that it has
	most     *uint // that it may have
	limit    uint  // what most is otherwise
}

// beginsBatch is the delay of a message that begins a batch. The library does
// not look at a delay below 0.
const beginsBatch time.Duration = -1

// newLibraryBatch looks into one of the library's own producers, whose batches
// have limit messages at most; nil if it is of another shape.
func newLibraryBatch(producer reflect.Value, limit uint) *libraryBatch {
	builder := field(producer, "batchBuilder")
	if builder.Kind() != reflect.Interface {
		return nil
	}
	messages, most := field(builder.Elem(), "numMessages"), field(builder.Elem(), "maxMessages")
	if messages.Kind() != reflect.Uint || most.Kind() != reflect.Uint {
		return nil
	}
	return &libraryBatch{
		messages: accessible(messages).Addr().Interface().(*uint),
		most:     accessible(most).Addr().Interface().(*uint),
		limit:    limit,
	}
}

// before runs before a message is added.
func (b *libraryBatch) before(m *pulsar.ProducerMessage) {
	if m.DeliverAfter == beginsBatch {
		*b.most = *b.messages
	} else {
		*b.most = b.limit
	}
}
