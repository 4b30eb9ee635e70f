package ws_test

import (
	"errors"
	"fmt"

	"github.com/pulsegate/pulsegate/codec/ws"
)

// printer is a handler that tells what it gets.
type printer struct{}

func (printer) Message(op ws.Opcode, payload []byte) (more bool) {
	fmt.Printf("%v message: %s\n", op, payload)
	return true
}
func (printer) Ping(payload []byte)              { fmt.Printf("ping: %s\n", payload) }
func (printer) Costly(m *ws.Costly)              { m.Release() }
func (printer) Pong(payload []byte)              { fmt.Printf("pong: %s\n", payload) }
func (printer) Close(code uint16, reason string) { fmt.Printf("close: %d %q\n", code, reason) }

// The two masked frames are the examples of RFC 6455 section 5.7; the last frame
// is not masked, which ends the connection.
func ExampleReader_Feed() {
	var r ws.Reader
	limits := &ws.Limits{MaxMessage: 1 << 20}
	for _, packet := range []string{
		"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x8a\x85",
		"\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
		"\x81\x05Hello",
	} {
		_, err := r.Feed(limits, []byte(packet), printer{})
		var broken *ws.CloseError
		if errors.As(err, &broken) {
			fmt.Println("fail the connection:", broken.Code, broken.Reason)
		}
	}
	// Output:
	// text message: Hello
	// pong: Hello
	// fail the connection: 1002 a client's frame is not masked
}
