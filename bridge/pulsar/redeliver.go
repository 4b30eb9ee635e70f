package pulsar

import (
	"reflect"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
)

// redeliverer asks a broker for entries again.
//
// All that pulsar-client-go v0.19.0 offers for that is NackID, which notes the
// entry for a timer that looks for due ones three times per delay, for each
// consumer, for ever: with 15,000 idle consumers and a delay of a second that
// is more than a core. The request itself is a method of a type that is not
// exported. So it is called by reflection and the timer is set to rest; where
// the library turns out to be of another shape, NackID is used.
type redeliverer struct {
	request reflect.Value // func([]messageID)
	ids     reflect.Type  // []messageID
	ledger  int           // index of the field
	entry   int
	tick    *time.Ticker // the library's timer
}

// resting is the period of a timer that has nothing to do.
const resting = 24 * time.Hour

// wakeful is the period of the library's timer once NackID is used, which it is
// for messages in chunks: only the library knows all their entries.
const wakeful = 250 * time.Millisecond

// newRedeliverer takes a consumer on a topic without partitions. It returns
// nil if the library is not as expected.
func newRedeliverer(up pulsar.Consumer) *redeliverer {
	consumers := field(reflect.ValueOf(up), "consumers")
	if consumers.Kind() != reflect.Slice || consumers.Len() != 1 || consumers.Index(0).Kind() != reflect.Pointer {
		return nil
	}
	one := consumers.Index(0)
	partition := reflect.NewAt(one.Type().Elem(), one.UnsafePointer())
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
	tick := field(field(partition, "nackTracker"), "tick")
	if !tick.IsValid() || tick.Type() != reflect.TypeFor[*time.Ticker]() || tick.IsNil() {
		return nil
	}
	r.tick = reflect.NewAt(tick.Type().Elem(), tick.UnsafePointer()).Interface().(*time.Ticker)
	r.tick.Reset(resting)
	stopDiscovery(up)
	return r
}

// stopDiscovery ends the goroutine with which each of the library's consumers
// looks for new partitions: the topics here have none.
func stopDiscovery(up pulsar.Consumer) {
	f := field(reflect.ValueOf(up), "stopDiscovery")
	if !f.IsValid() || f.Type() != reflect.TypeFor[func()]() || f.IsNil() {
		return
	}
	stop := reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Interface().(*func())
	(*stop)()
	*stop = func() {} // what Close calls
}

// wake makes the library look after what is given to NackID.
func (r *redeliverer) wake() { r.tick.Reset(wakeful) }

// field is a field of the struct that v points to, invalid if there is none.
func field(v reflect.Value, name string) reflect.Value {
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return reflect.Value{}
	}
	return v.Elem().FieldByName(name)
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

// set sets a field that is not exported.
func set(f reflect.Value, value int64) {
	reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem().SetInt(value)
}
