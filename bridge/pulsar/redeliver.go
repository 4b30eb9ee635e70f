package pulsar

import (
	"reflect"
	"sync"

	"github.com/apache/pulsar-client-go/pulsar"
)

// redeliverer asks a broker for entries again.
//
// All that pulsar-client-go v0.19.0 offers for that is NackID, which notes the
// entry for a timer that looks for due ones three times per delay, for each
// consumer, for ever: with 15,000 idle consumers and a delay of a second that
// is more than a core. The request itself is a method of a type that is not
// exported. So it is called by reflection, and the timer and its goroutine are
// ended; where the library turns out to be of another shape, NackID is used.
type redeliverer struct {
	request reflect.Value // func([]messageID)
	ids     reflect.Type  // []messageID
	ledger  int           // index of the field
	entry   int

	chunkLock *sync.Mutex   // guards the next
	chunks    reflect.Value // map[chunkMessageID][]*messageID
}

// newRedeliverer takes a consumer on a topic without partitions. It returns
// nil if the library is not as expected.
func newRedeliverer(up pulsar.Consumer) *redeliverer {
	partition := onlyPartition(reflect.ValueOf(up))
	if !partition.IsValid() {
		return nil
	}
	request := partition.MethodByName("Redeliver")
	if !request.IsValid() || request.Type().NumIn() != 1 || request.Type().In(0).Kind() != reflect.Slice {
		return nil
	}
	r := &redeliverer{request: request, ids: request.Type().In(0)}
	id := r.ids.Elem()
	if id.Kind() != reflect.Struct {
		return nil
	}
	ledger, ok1 := id.FieldByName("ledgerID")
	entry, ok2 := id.FieldByName("entryID")
	if !ok1 || !ok2 || ledger.Type.Kind() != reflect.Int64 || entry.Type.Kind() != reflect.Int64 {
		return nil
	}
	r.ledger, r.entry = ledger.Index[0], entry.Index[0]
	if !r.findChunks(field(partition, "unAckChunksTracker")) || !endTimer(field(partition, "nackTracker")) {
		return nil
	}
	stopDiscovery(up)
	return r
}

// findChunks finds where the library notes the entries of messages in chunks.
func (r *redeliverer) findChunks(tracker reflect.Value) bool {
	lock, chunks := field(tracker, "mu"), field(tracker, "chunkIDs")
	if !lock.IsValid() || lock.Type() != reflect.TypeFor[sync.Mutex]() || !chunks.IsValid() || chunks.Kind() != reflect.Map ||
		chunks.Type().Elem() != reflect.SliceOf(reflect.PointerTo(r.ids.Elem())) {
		return false
	}
	r.chunkLock = accessible(lock).Addr().Interface().(*sync.Mutex)
	r.chunks = accessible(chunks)
	return true
}

// endTimer ends the timer that looks for what was given to NackID.
func endTimer(tracker reflect.Value) bool {
	if tracker.Kind() != reflect.Pointer || tracker.IsNil() {
		return false
	}
	end, ok := reflect.NewAt(tracker.Type().Elem(), tracker.UnsafePointer()).Interface().(interface{ Close() })
	if ok {
		end.Close() // the library may do so again
	}
	return ok
}

// entriesOf lists the entries of a message in chunks, which the library then forgets.
func (r *redeliverer) entriesOf(native pulsar.MessageID) (entries []entryID) {
	key := reflect.ValueOf(native)
	if key.Kind() != reflect.Pointer || key.Type().Elem() != r.chunks.Type().Key() {
		return nil
	}
	r.chunkLock.Lock()
	defer r.chunkLock.Unlock()
	ids := r.chunks.MapIndex(key.Elem())
	if !ids.IsValid() {
		return nil
	}
	for i := range ids.Len() {
		id := ids.Index(i).Elem()
		entries = append(entries, entryID{id.Field(r.ledger).Int(), id.Field(r.entry).Int()})
	}
	r.chunks.SetMapIndex(key.Elem(), reflect.Value{})
	return entries
}

// redeliver may block for as long as a request of the consumer is under way.
func (r *redeliverer) redeliver(entries []entryID) {
	ids := reflect.MakeSlice(r.ids, len(entries), len(entries))
	for i, e := range entries {
		set(ids.Index(i).Field(r.ledger), e.ledger)
		set(ids.Index(i).Field(r.entry), e.entry)
	}
	r.request.Call([]reflect.Value{ids})
}
