package pulsar

import (
	"errors"
	"reflect"

	"github.com/apache/pulsar-client-go/pulsar"
)

// What is in this file reaches into pulsar-client-go v0.19.0 by reflection, for
// what that knows and does not tell. If the library is of another shape it does
// without, and TestInternals fails.

// onlyPartition is what the library has of a consumer on a topic without
// partitions, a pointer to a struct; it is invalid if there is none such.
func onlyPartition(up reflect.Value) reflect.Value {
	consumers := field(up, "consumers")
	if consumers.Kind() != reflect.Slice || consumers.Len() != 1 || consumers.Index(0).Kind() != reflect.Pointer {
		return reflect.Value{}
	}
	one := consumers.Index(0)
	return reflect.NewAt(one.Type().Elem(), one.UnsafePointer())
}

// consumerID is the number by which a client and its brokers name a consumer.
// Each new one of a client has a higher number. 0: unknown.
func consumerID(up pulsar.Consumer) uint64 { return numberOf(onlyPartition(reflect.ValueOf(up))) }

// readerID is the number of the consumer that a reader is made of. 0: unknown.
func readerID(up pulsar.Reader) uint64 {
	return numberOf(onlyPartition(field(reflect.ValueOf(up), "c")))
}

// receivedBy is the number of the consumer that received a message. Unlike what
// the library has of the consumer, it is there as soon as the message is. 0: unknown.
func receivedBy(id pulsar.MessageID) uint64 {
	by := field(reflect.ValueOf(id), "consumer")
	if by.Kind() != reflect.Interface {
		return 0
	}
	return numberOf(by.Elem())
}

func numberOf(partition reflect.Value) uint64 {
	id := field(partition, "consumerID")
	if id.Kind() != reflect.Uint64 {
		return 0
	}
	return id.Uint()
}

var errNoListing = errors.New("pulsar-client-go cannot list a namespace's topics in the way known here")

// topicsOf asks a broker for the persistent topics of a namespace, each
// partition by its own name. It blocks for up to the operation timeout.
func topicsOf(client pulsar.Client, namespace string) ([]string, error) {
	lookup := field(reflect.ValueOf(client), "lookupService")
	if lookup.Kind() != reflect.Interface || lookup.IsNil() {
		return nil, errNoListing
	}
	list := accessible(lookup).MethodByName("GetTopicsOfNamespace")
	if !list.IsValid() {
		return nil, errNoListing
	}
	t := list.Type()
	if t.NumIn() != 2 || t.In(0).Kind() != reflect.String || t.In(1).Kind() != reflect.String ||
		t.NumOut() != 2 || t.Out(0) != reflect.TypeFor[[]string]() || t.Out(1) != reflect.TypeFor[error]() {
		return nil, errNoListing
	}
	out := list.Call([]reflect.Value{reflect.ValueOf(namespace), reflect.ValueOf("PERSISTENT").Convert(t.In(1))})
	err, _ := out[1].Interface().(error)
	return out[0].Interface().([]string), err
}

// stopDiscovery ends the goroutine with which each of the library's consumers
// looks for new partitions: the topics here have none.
func stopDiscovery(up pulsar.Consumer) {
	f := field(reflect.ValueOf(up), "stopDiscovery")
	if !f.IsValid() || f.Type() != reflect.TypeFor[func()]() || f.IsNil() {
		return
	}
	stop := accessible(f).Addr().Interface().(*func())
	(*stop)()
	*stop = func() {} // what Close calls
}

// field is a field of the struct that v points to, invalid if there is none.
func field(v reflect.Value, name string) reflect.Value {
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return reflect.Value{}
	}
	return v.Elem().FieldByName(name)
}

// accessible is a field, also where it is not exported.
func accessible(f reflect.Value) reflect.Value {
	return reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()
}

func set(f reflect.Value, value int64) { accessible(f).SetInt(value) }
