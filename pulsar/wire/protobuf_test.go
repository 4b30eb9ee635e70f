package wire

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"

	_ "github.com/apache/pulsar-client-go/pulsar" // registers the protobuf messages of PulsarApi.proto
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// The yardstick of the tests in this package is protobuf's own implementation, with the
// messages that pulsar-client-go was generated from and what Pulsar 4.0.7 has added to them.

// api is PulsarApi.proto.
var api = sync.OnceValue(func() protoreflect.FileDescriptor {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName("pulsar.proto.BaseCommand")
	if err != nil {
		panic(err)
	}
	file := protodesc.ToFileDescriptorProto(d.ParentFile())
	for _, m := range file.MessageType {
		switch m.GetName() {
		case "CommandConnect":
			add(m, 11, "proxy_version", descriptorpb.FieldDescriptorProto_TYPE_STRING, "")
		case "FeatureFlags":
			add(m, 5, "supports_get_partitioned_metadata_without_auto_creation", descriptorpb.FieldDescriptorProto_TYPE_BOOL, "false")
			add(m, 6, "supports_repl_dedup_by_lid_and_eid", descriptorpb.FieldDescriptorProto_TYPE_BOOL, "false")
		case "CommandPartitionedTopicMetadata":
			add(m, 6, "metadata_auto_creation_enabled", descriptorpb.FieldDescriptorProto_TYPE_BOOL, "true")
		}
	}
	whole, err := protodesc.NewFile(file, nil)
	if err != nil {
		panic(err)
	}
	return whole
})

func add(m *descriptorpb.DescriptorProto, n int32, name string, typ descriptorpb.FieldDescriptorProto_Type, def string) {
	f := &descriptorpb.FieldDescriptorProto{
		Name: &name, Number: &n, Type: &typ, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}
	if def != "" {
		f.DefaultValue = &def
	}
	m.Field = append(m.Field, f)
}

// reference makes an empty message of PulsarApi.proto.
func reference(t testing.TB, name string) protoreflect.Message {
	t.Helper()
	m := api().Messages().ByName(protoreflect.Name(name))
	if m == nil {
		t.Fatalf("PulsarApi.proto has no %s", name)
	}
	return dynamicpb.NewMessage(m)
}

// bare are the messages of this package that are no commands but come on their own.
var bare = map[string]func() message{
	"MessageMetadata":       func() message { return new(Metadata) },
	"SingleMessageMetadata": func() message { return new(SingleMetadata) },
	"BrokerEntryMetadata":   func() message { return new(BrokerEntryMetadata) },
}

// all lists every message that is parsed on its own, by its name in PulsarApi.proto.
func all() map[string]func() message {
	list := map[string]func() message{}
	for _, c := range commands {
		list[c().Name()] = func() message { return c() }
	}
	for name, m := range bare {
		list[name] = m
	}
	return list
}

// encode and decode are what the exported functions do with a message's fields.
func encode(m message) []byte {
	var f fields
	m.fields(&f)
	return f.out
}

func decode(b []byte, m message, name string) error {
	f := taken(b)
	for f.more() {
		m.fields(&f)
	}
	return f.end(name)
}

// randomValue is a value for a field that is not its default.
func randomValue(r *rand.Rand, fd protoreflect.FieldDescriptor) protoreflect.Value {
	for {
		var v protoreflect.Value
		n := r.Uint64() >> r.IntN(64)
		switch fd.Kind() {
		case protoreflect.Uint64Kind:
			v = protoreflect.ValueOfUint64(n)
		case protoreflect.Uint32Kind:
			v = protoreflect.ValueOfUint32(uint32(n))
		case protoreflect.Int64Kind:
			v = protoreflect.ValueOfInt64(int64(n))
		case protoreflect.Int32Kind:
			v = protoreflect.ValueOfInt32(int32(n))
		case protoreflect.BoolKind:
			v = protoreflect.ValueOfBool(n%2 == 0)
		case protoreflect.EnumKind:
			v = protoreflect.ValueOfEnum(fd.Enum().Values().Get(r.IntN(fd.Enum().Values().Len())).Number())
		case protoreflect.StringKind:
			v = protoreflect.ValueOfString(strings.Repeat("ä", 1+r.IntN(1<<r.IntN(10))))
		case protoreflect.BytesKind:
			v = protoreflect.ValueOfBytes(make([]byte, 1+r.IntN(1<<r.IntN(16))))
		default:
			panic(fd.Kind())
		}
		if fd.IsList() || !v.Equal(fd.Default()) {
			return v
		}
		if fd.Kind() == protoreflect.EnumKind && fd.Enum().Values().Len() == 1 {
			return v
		}
	}
}

// fill sets each field with a chance, and those that are required.
func fill(r *rand.Rand, m protoreflect.Message, depth int) {
	fds := m.Descriptor().Fields()
	for i := range fds.Len() {
		fd := fds.Get(i)
		if fd.Cardinality() != protoreflect.Required && (r.IntN(2) == 0 || depth > 1) {
			continue
		}
		set(r, m, fd, depth)
	}
}

func set(r *rand.Rand, m protoreflect.Message, fd protoreflect.FieldDescriptor, depth int) {
	switch {
	case fd.IsList():
		for range 1 + r.IntN(4) {
			l := m.Mutable(fd).List()
			if fd.Kind() == protoreflect.MessageKind {
				fill(r, l.AppendMutable().Message(), depth+1)
			} else {
				l.Append(randomValue(r, fd))
			}
		}
	case fd.Kind() == protoreflect.MessageKind:
		fill(r, m.Mutable(fd).Message(), depth+1)
	default:
		m.Set(fd, randomValue(r, fd))
	}
}

// same reports how two messages differ. A field that is not set is equal to one that
// has its default value.
func same(a, b protoreflect.Message) error {
	fds := a.Descriptor().Fields()
	for i := range fds.Len() {
		fd := fds.Get(i)
		if fd.FullName() == "pulsar.proto.MessageIdData.first_chunk_message_id" &&
			a.Descriptor().FullName() == "pulsar.proto.MessageIdData" && a.Has(fd) && b.Has(fd) {
			// The place of a first chunk has none itself.
			x := proto.Clone(a.Get(fd).Message().Interface()).ProtoReflect()
			x.Clear(fd)
			if err := same(x, b.Get(fd).Message()); err != nil {
				return err
			}
			continue
		}
		switch {
		case fd.IsList():
			x, y := a.Get(fd).List(), b.Get(fd).List()
			if x.Len() != y.Len() {
				return fmt.Errorf("%s: %d and %d", fd.FullName(), x.Len(), y.Len())
			}
			for j := range x.Len() {
				if fd.Kind() == protoreflect.MessageKind {
					if err := same(x.Get(j).Message(), y.Get(j).Message()); err != nil {
						return err
					}
				} else if !x.Get(j).Equal(y.Get(j)) {
					return fmt.Errorf("%s: %v and %v", fd.FullName(), x.Get(j), y.Get(j))
				}
			}
		case fd.Kind() == protoreflect.MessageKind && !a.Has(fd) && !b.Has(fd):
		case fd.Kind() == protoreflect.MessageKind:
			always := fd.Message().Name() == "FeatureFlags" || fd.Message().Name() == "AuthData"
			if a.Has(fd) != b.Has(fd) && !always {
				return fmt.Errorf("%s: set: %v and %v", fd.FullName(), a.Has(fd), b.Has(fd))
			}
			if err := same(a.Get(fd).Message(), b.Get(fd).Message()); err != nil {
				return err
			}
		case !a.Get(fd).Equal(b.Get(fd)):
			// A number of messages of 0 is as none: one.
			if fd.FullName() == "pulsar.proto.CommandSend.num_messages" && a.Get(fd).Int() == 0 && b.Get(fd).Int() == 1 {
				continue
			}
			return fmt.Errorf("%s: %v and %v", fd.FullName(), a.Get(fd), b.Get(fd))
		}
	}
	return nil
}

// TestProtobuf lets random messages make the way from protobuf to this package and
// back.
func TestProtobuf(t *testing.T) {
	for name, empty := range all() {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(len(name))))
			for range 300 {
				in := reference(t, name)
				fill(r, in, 0)
				b, err := proto.Marshal(in.Interface())
				if err != nil {
					t.Fatal(err)
				}
				ours := empty()
				if err := decode(b, ours, name); err != nil {
					t.Fatalf("%v, of %s", err, prototext.Format(in.Interface()))
				}
				out := reference(t, name)
				if err := proto.Unmarshal(encode(ours), out.Interface()); err != nil {
					t.Fatal(err)
				}
				if len(out.GetUnknown()) > 0 {
					t.Fatalf("writes a field that %s does not have", name)
				}
				if err := same(in, out); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// renamed are the fields whose names here are not those of PulsarApi.proto: because the
// zero value is the protocol's default, or for the plural.
var renamed = map[protoreflect.FullName]string{
	"pulsar.proto.CommandPartitionedTopicMetadata.metadata_auto_creation_enabled": "NoAutoCreation",
	"pulsar.proto.Schema.schema_data":                                             "Data",
	"pulsar.proto.CommandProducer.user_provided_producer_name":                    "GeneratedName",
	"pulsar.proto.CommandProducer.producer_access_mode":                           "AccessMode",
	"pulsar.proto.CommandProducerSuccess.producer_ready":                          "NotReady",
	"pulsar.proto.CommandSubscribe.durable":                                       "NonDurable",
	"pulsar.proto.CommandSubscribe.force_topic_creation":                          "NoTopicCreation",
	"pulsar.proto.KeySharedMeta.keySharedMode":                                    "Mode",
	"pulsar.proto.CommandAck.message_id":                                          "MessageIDs",
	"pulsar.proto.CommandGetTopicsOfNamespaceResponse.changed":                    "Unchanged",
	"pulsar.proto.CommandWatchTopicListSuccess.topic":                             "Topics",
	"pulsar.proto.MessageMetadata.num_messages_in_batch":                          "NumMessagesInBatch",
	"pulsar.proto.MessageMetadata.partition_key_b64_encoded":                      "PartitionKeyB64Encoded",
	"pulsar.proto.CommandRedeliverUnacknowledgedMessages.message":                 "MessageIDs",
}

// TestNames sets one field after the other and looks whether the one of the same
// name, and no other, is set here.
func TestNames(t *testing.T) {
	for name, empty := range all() {
		fds := reference(t, name).Descriptor().Fields()
		for i := range fds.Len() {
			fd := fds.Get(i)
			r := rand.New(rand.NewPCG(2, uint64(i)))
			in := reference(t, name)
			for !in.Has(fd) || fd.Kind() == protoreflect.MessageKind && proto.Size(in.Interface()) <= 3 { // an empty message inside says nothing
				set(r, in, fd, 0)
			}
			b, err := proto.MarshalOptions{AllowPartial: true}.Marshal(in.Interface())
			if err != nil {
				t.Fatal(err)
			}
			ours := empty()
			if err := decode(b, ours, name); err != nil && !strings.Contains(err.Error(), "is missing") {
				t.Fatalf("%s: %v", fd.FullName(), err)
			}
			want := renamed[fd.FullName()]
			if want == "" {
				want = string(fd.Name())
			}
			want = strings.ToLower(strings.ReplaceAll(want, "_", ""))
			v := reflect.ValueOf(ours).Elem()
			found := false
			for j := range v.NumField() {
				field := strings.ToLower(v.Type().Field(j).Name)
				isFlag := strings.HasPrefix(field, "has") || field == "isbatch"
				if field == want {
					found = true
					if v.Field(j).IsZero() {
						t.Errorf("%s does not set %s", fd.FullName(), v.Type().Field(j).Name)
					}
				} else if !isFlag && !v.Field(j).IsZero() {
					t.Errorf("%s sets %s", fd.FullName(), v.Type().Field(j).Name)
				}
			}
			if !found {
				t.Errorf("%s has no field %q", name, want)
			}
		}
	}
}

// TestTypes compares the types of commands with the fields of BaseCommand.
func TestTypes(t *testing.T) {
	base := reference(t, "BaseCommand").Descriptor()
	types := base.Fields().ByNumber(1).Enum().Values()
	for typ, c := range commands {
		if got := c().Type(); got != typ {
			t.Errorf("%s has type %d, listed as %d", c().Name(), got, typ)
		}
		if types.ByNumber(protoreflect.EnumNumber(typ)) == nil {
			t.Errorf("%s: BaseCommand.Type has no %d", c().Name(), typ)
		}
		if fd := base.Fields().ByNumber(protoreflect.FieldNumber(typ)); fd == nil || string(fd.Message().Name()) != c().Name() {
			t.Errorf("field %d of BaseCommand is no %s", typ, c().Name())
		}
	}
}

// TestEnums compares each enum's values with PulsarApi.proto.
func TestEnums(t *testing.T) {
	for enum, values := range map[string]map[string]int32{
		"CompressionType": {"NONE": int32(NoCompression), "LZ4": int32(LZ4), "ZLIB": int32(ZLIB), "ZSTD": int32(ZSTD), "SNAPPY": int32(SNAPPY)},
		"ProducerAccessMode": {"Shared": int32(AccessShared), "Exclusive": int32(AccessExclusive),
			"WaitForExclusive": int32(AccessWaitForExclusive), "ExclusiveWithFencing": int32(AccessExclusiveWithFencing)},
		"CommandSubscribe.SubType":         {"Exclusive": int32(Exclusive), "Shared": int32(Shared), "Failover": int32(Failover), "Key_Shared": int32(KeyShared)},
		"CommandSubscribe.InitialPosition": {"Latest": int32(Latest), "Earliest": int32(Earliest)},
		"KeySharedMode":                    {"AUTO_SPLIT": int32(AutoSplit), "STICKY": int32(Sticky)},
		"CommandAck.AckType":               {"Individual": int32(Individual), "Cumulative": int32(Cumulative)},
		"CommandAck.ValidationError": {"UncompressedSizeCorruption": int32(UncompressedSizeCorruption), "DecompressionError": int32(DecompressionError),
			"ChecksumMismatch": int32(ChecksumMismatch), "BatchDeSerializeError": int32(BatchDeSerializeError), "DecryptionError": int32(DecryptionError)},
		"CommandLookupTopicResponse.LookupType":              {"Redirect": int32(LookupRedirect), "Connect": int32(LookupConnect), "Failed": int32(LookupFailed)},
		"CommandPartitionedTopicMetadataResponse.LookupType": {"Success": int32(PartitionsSuccess), "Failed": int32(PartitionsFailed)},
		"CommandGetTopicsOfNamespace.Mode":                   {"PERSISTENT": int32(PersistentTopics), "NON_PERSISTENT": int32(NonPersistentTopics), "ALL": int32(AllTopics)},
		"CommandTopicMigrated.ResourceType":                  {"Producer": int32(ProducerResource), "Consumer": int32(ConsumerResource)},
	} {
		d := enumOf(t, enum)
		if d.Len() != len(values) {
			t.Errorf("%s has %d values, not %d", enum, d.Len(), len(values))
		}
		for name, n := range values {
			if v := d.ByName(protoreflect.Name(name)); v == nil || int32(v.Number()) != n {
				t.Errorf("%s.%s is not %d", enum, name, n)
			}
		}
	}
	d := enumOf(t, "ServerError")
	if d.Len() != len(serverErrors) || ProducerFenced != ServerError(d.ByName("ProducerFenced").Number()) {
		t.Errorf("ServerError has %d values, not %d", d.Len(), len(serverErrors))
	}
	for i := range d.Len() {
		if got := ServerError(d.Get(i).Number()).String(); got != string(d.Get(i).Name()) {
			t.Errorf("ServerError %d is %s, not %s", d.Get(i).Number(), d.Get(i).Name(), got)
		}
	}
	if ServerError(-1).String() != "-1" || ServerError(99).String() != "99" || KeyShared.String() != "Key_Shared" || ZSTD.String() != "ZSTD" {
		t.Error("an enum's text is wrong")
	}
}

func enumOf(t *testing.T, name string) protoreflect.EnumValueDescriptors {
	e, err := protoregistry.GlobalTypes.FindEnumByName(protoreflect.FullName("pulsar.proto." + name))
	if err != nil {
		t.Fatal(err)
	}
	return e.Descriptor().Values()
}
