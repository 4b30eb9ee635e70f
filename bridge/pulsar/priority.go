package pulsar

import (
	"bytes"
	"encoding/binary"
	"net"
	"reflect"
	"strconv"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// pulsar-client-go v0.19.0 cannot tell a broker the priority level of a
// consumer: the field is there in SUBSCRIBE, and is left empty. So the level is given as
// a property of the consumer, and what is written to a broker goes through a
// [levelConn], which fills in the field from that. TestPriorityLevels fails if
// that ceases to work.
const levelProperty = "pulsegate.priority"

// levelProperties are a consumer's properties that stand for its level; nil for 0.
func levelProperties(level int) map[string]string {
	if level == 0 {
		return nil
	}
	return map[string]string{levelProperty: strconv.Itoa(level)}
}

// connectionReady is what the library logs on a connection's goroutine once it
// may be used, and before anything else uses it.
const connectionReady = "Connection is ready"

// setLevels makes a connection that becomes ready, known by its local address,
// write through a [levelConn].
func (u *Upstream) setLevels(local any) {
	pool := field(reflect.ValueOf(u.client), "cnxPool")
	if pool.Kind() != reflect.Interface || pool.IsNil() {
		return
	}
	list := accessible(pool).MethodByName("GetConnections")
	if !list.IsValid() || list.Type().NumIn() != 0 || list.Type().NumOut() != 1 || list.Type().Out(0).Kind() != reflect.Map {
		return
	}
	for all := list.Call(nil)[0].MapRange(); all.Next(); {
		connection := all.Value()
		if connection.Kind() != reflect.Interface {
			return
		}
		lock, conn := field(connection.Elem(), "mu"), field(connection.Elem(), "cnx")
		if !lock.IsValid() || lock.Type() != reflect.TypeFor[sync.RWMutex]() || !conn.IsValid() || conn.Type() != reflect.TypeFor[net.Conn]() {
			return
		}
		if setLevelConn(accessible(lock).Addr().Interface().(*sync.RWMutex), accessible(conn).Addr().Interface().(*net.Conn), local) {
			return
		}
	}
}

// setLevelConn reports whether conn, which mu guards, is the one at that address.
func setLevelConn(mu *sync.RWMutex, conn *net.Conn, local any) bool {
	mu.Lock()
	defer mu.Unlock()
	if *conn == nil || any((*conn).LocalAddr()) != local {
		return false
	}
	*conn = levelConn{*conn}
	return true
}

// levelConn is a connection to a broker to which each Write is one frame.
type levelConn struct{ net.Conn }

// Write implements [io.Writer].
func (c levelConn) Write(frame []byte) (int, error) {
	leveled := withLevel(frame)
	if leveled == nil {
		return c.Conn.Write(frame)
	}
	if _, err := c.Conn.Write(leveled); err != nil {
		return 0, err
	}
	return len(frame), nil
}

// withLevel is a SUBSCRIBE frame whose consumer has its level as a property, with
// the level where it should be. It returns nil for any other frame. A frame is
// its size, the command's size, the command, which begins with its type, and
// in other commands more.
func withLevel(frame []byte) []byte {
	const sizes = 8
	if len(frame) < sizes || !bytes.HasPrefix(frame[sizes:], beginSubscribe) || !bytes.Contains(frame, []byte(levelProperty)) {
		return nil
	}
	kind, err := protoregistry.GlobalTypes.FindMessageByName("pulsar.proto.BaseCommand")
	if err != nil {
		return nil
	}
	command := kind.New()
	if proto.Unmarshal(frame[sizes:], command.Interface()) != nil || !raiseLevel(command) {
		return nil
	}
	out, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, sizes, len(frame)+16), command.Interface())
	if err != nil {
		return nil
	}
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	binary.BigEndian.PutUint32(out[4:], uint32(len(out)-sizes))
	return out
}

// beginSubscribe is how the command SUBSCRIBE begins: the type, which is 4.
var beginSubscribe = []byte{0x08, 4}

// raiseLevel moves the level from the properties to its field.
func raiseLevel(command protoreflect.Message) bool {
	subscribe := command.Mutable(command.Descriptor().Fields().ByName("subscribe")).Message()
	fields := subscribe.Descriptor().Fields()
	properties := subscribe.Mutable(fields.ByName("metadata")).List()
	for i := range properties.Len() {
		property := properties.Get(i).Message()
		of := property.Descriptor().Fields()
		if property.Get(of.ByName("key")).String() != levelProperty {
			continue
		}
		level, err := strconv.ParseInt(property.Get(of.ByName("value")).String(), 10, 32)
		if err != nil {
			return false
		}
		subscribe.Set(fields.ByName("priority_level"), protoreflect.ValueOfInt32(int32(level)))
		last := properties.Len() - 1
		properties.Set(i, properties.Get(last))
		properties.Truncate(last)
		return true
	}
	return false
}
