package server

import (
	"sync/atomic"

	"github.com/pulsegate/pulsegate/server/route"
)

// traffic is what has gone over the sockets of one kind of session, or over those without a session. Bytes are those
// of the socket, below TLS, and messages are WebSocket messages.
type traffic struct{ bytesIn, bytesOut, messagesIn, messagesOut atomic.Uint64 }

// withoutSession is the place in [Server.traffic] of what belongs to no session: requests of HTTP, and what comes before a
// session is open. Places before it are kinds of sessions.
const withoutSession = route.Reader + 1

// traffic is where the connection's traffic is counted. The worker may call it, as may who holds mu: a session's id is set
// by the worker with mu held, and neither it nor the kind changes afterwards.
func (c *conn) traffic() *traffic {
	kind := withoutSession
	if c.id != 0 {
		kind = c.kind
	}
	return &c.s.traffic[kind]
}

// bytesIn is how many bytes clients have sent, and bytesOut how many they were sent.
func (s *Server) bytesIn() (n uint64) {
	for i := range s.traffic {
		n += s.traffic[i].bytesIn.Load()
	}
	return n
}

func (s *Server) bytesOut() (n uint64) {
	for i := range s.traffic {
		n += s.traffic[i].bytesOut.Load()
	}
	return n
}

// ofTraffic are the samples of /metrics.
func (s *Server) ofTraffic() (list []sample) {
	for i := range s.traffic {
		of, kind := &s.traffic[i], "none"
		if i < int(withoutSession) {
			kind = route.Kind(i).String()
		}
		add := func(name, help string, n *atomic.Uint64) {
			list = append(list, sample{name: name, help: help, counter: true, value: float64(n.Load()), kind: kind})
		}
		add("received_bytes_total", "Bytes read from clients, by the kind of their session; none: without one.", &of.bytesIn)
		add("sent_bytes_total", "Bytes written to clients, by the kind of their session; none: without one.", &of.bytesOut)
		if i < int(withoutSession) {
			add("received_messages_total", "WebSocket messages received, by the kind of their session.", &of.messagesIn)
			add("sent_messages_total", "WebSocket messages written, by the kind of their session.", &of.messagesOut)
		}
	}
	return list
}
