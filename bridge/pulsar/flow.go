package pulsar

import (
	"reflect"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// flow asks the broker for n more messages for one of the library's consumers, which
// gives back one permit for a batch that could not be decrypted, where the broker took one
// for each of its messages: a consumer whose window is small would stop for ever. It reports
// false if the library is not as expected.
func flow(partition reflect.Value, n int) bool {
	client, rpc, conn := field(partition, "client"), reflect.Value{}, field(partition, "conn")
	if client.IsValid() {
		rpc = field(accessible(client), "rpcClient")
	}
	kind, err := protoregistry.GlobalTypes.FindMessageByName("pulsar.proto.CommandFlow")
	if err != nil || !conn.IsValid() || rpc.Kind() != reflect.Interface || rpc.IsNil() {
		return false
	}
	send, load := accessible(rpc).MethodByName("RequestOnCnxNoWait"), accessible(conn).Addr().MethodByName("Load")
	if !send.IsValid() || send.Type().NumIn() != 3 || send.Type().In(1).Kind() != reflect.Int32 || !load.IsValid() {
		return false
	}
	m := kind.New()
	fields := m.Descriptor().Fields()
	m.Set(fields.ByName("consumer_id"), protoreflect.ValueOfUint64(field(partition, "consumerID").Uint()))
	m.Set(fields.ByName("messagePermits"), protoreflect.ValueOfUint32(uint32(n)))
	const flow = 11 // BaseCommand.Type
	send.Call([]reflect.Value{load.Call(nil)[0].Elem(), reflect.ValueOf(int32(flow)).Convert(send.Type().In(1)), reflect.ValueOf(m.Interface())})
	return true
}
