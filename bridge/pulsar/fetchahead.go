package pulsar

import (
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/apache/pulsar-client-go/pulsar"
)

const (
	// windowBytes bounds what the client library fetches ahead for one consumer
	// or reader once the size of the largest message that it got is known.
	windowBytes = 4 << 20

	// leastAhead is what may be fetched ahead however large messages are: a permit that
	// is lost with a broken message must not be the last one.
	leastAhead = 4

	// largeMessage is the size in bytes from which on a message's size counts for that.
	largeMessage = 8 << 10
)

// fetchAhead bounds what the client library fetches ahead of one of its consumers.
//
// The number of messages is all that a broker can be told, before their sizes
// are known. So the library begins with one and doubles that while messages are taken as
// fast as they come: a client that does not read has few waiting here. From the
// largest message seen follows how many may be under way from then on.
//
// pulsar-client-go v0.19.0 knows no bound in bytes that is of use: its memory
// limit is shared by all, counts batches wrongly, and keeps each consumer that there ever was
// ([forgetTriggers]). So what it counts with is reached by reflection, and
// changed as it changes that itself, by atomic operations.
//
// most belongs to the consumer's forwarder.
type fetchAhead struct {
	size, permits *int32 // the library's; nil where it is not as expected
	most          int32  // 0: no large message has come
}

// newFetchAhead takes a consumer on a topic without partitions.
func newFetchAhead(up pulsar.Consumer) fetchAhead {
	partition := onlyPartition(reflect.ValueOf(up))
	w := fetchAhead{size: uberInt32(field(partition, "currentQueueSize"))}
	if p := field(partition, "availablePermits"); p.IsValid() && p.Kind() == reflect.Pointer && !p.IsNil() {
		w.permits = uberInt32(field(reflect.NewAt(p.Type().Elem(), p.UnsafePointer()), "permits"))
	}
	return w
}

// uberInt32 is the number in a field of type go.uber.org/atomic.Int32.
func uberInt32(f reflect.Value) *int32 {
	if !f.IsValid() || f.Kind() != reflect.Struct || !f.CanAddr() {
		return nil
	}
	v := f.FieldByName("v")
	if !v.IsValid() || v.Type() != reflect.TypeFor[int32]() {
		return nil
	}
	return accessible(v).Addr().Interface().(*int32)
}

// note takes the size of a message that came, in bytes.
func (w *fetchAhead) note(size int) {
	if size >= largeMessage {
		if most := int32(max(windowBytes/size, leastAhead)); w.most == 0 || most < w.most {
			w.most = most
		}
	}
	if w.most == 0 || w.size == nil || w.permits == nil {
		return
	}
	// The library doubles it again and again.
	if now := atomic.LoadInt32(w.size); now > w.most && atomic.CompareAndSwapInt32(w.size, now, w.most) {
		atomic.AddInt32(w.permits, w.most-now) // so many fewer are asked for next
	}
}

// forgetTriggers makes the library's memory limit, which is not used, forget
// the consumers that it would ask to fetch less. It never does so itself.
func forgetTriggers(client pulsar.Client) bool {
	limit := field(reflect.ValueOf(client), "memLimit")
	if limit.Kind() != reflect.Interface {
		return false
	}
	controller := accessible(limit).Elem()
	triggers, lock := field(controller, "triggers"), field(field(controller, "chCond"), "L")
	if triggers.Kind() != reflect.Slice || lock.Kind() != reflect.Interface {
		return false
	}
	mutex, ok := accessible(lock).Interface().(sync.Locker)
	if !ok {
		return false
	}
	mutex.Lock()
	defer mutex.Unlock()
	accessible(triggers).SetZero()
	return true
}
