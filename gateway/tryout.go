package gateway

import (
	"fmt"
	"io"
	"net"
	"strconv"
)

// tryOut prints two commands that send and receive a message, in either order.
// They need nothing but this binary. pages says that there is a console.
func tryOut(w io.Writer, binary string, addr net.Addr, pages bool) {
	host, port := "localhost", 0
	if tcp, ok := addr.(*net.TCPAddr); ok {
		port = tcp.Port
		if !tcp.IP.IsUnspecified() && !tcp.IP.IsLoopback() {
			host = tcp.IP.String()
		}
	}
	at := net.JoinHostPort(host, strconv.Itoa(port))
	base := "ws://" + at + "/ws/v2"
	const topic = "persistent/public/default/hello"
	_, _ = fmt.Fprintf(w, `Try it in another terminal:

  %s produce %s/producer/%s "Hello World"
  %s consume -n 1 "%s/consumer/%s/me?subscriptionInitialPosition=Earliest"

`, binary, base, topic, binary, base, topic)
	if pages {
		_, _ = fmt.Fprintf(w, "or in a browser: http://%s/console/#try\n\n", at)
	}
}
