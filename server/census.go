package server

import (
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/memory"
	"github.com/pulsegate/pulsegate/operator"
	"github.com/pulsegate/pulsegate/server/life"
	"github.com/pulsegate/pulsegate/server/route"
)

// Sessions is as [operator.Source] wants it. It waits for a session whose message is being handled, so
// it is not called by what handles messages.
func (s *Server) Sessions(visit func(*operator.Session) bool) {
	var session operator.Session // of all in turn, as is info: they would be on the heap for each
	var info bridge.SessionInfo
	s.o.Bridge.Outlets(func(out bridge.Outlet) bool {
		c, ok := out.(*conn)
		if !ok {
			return true
		}
		return !c.describe(&session, &info) || visit(&session)
	})
}

// describe tells what the connection's session is doing, with i for its own use; false when it has none any more.
func (c *conn) describe(to *operator.Session, i *bridge.SessionInfo) bool {
	s := c.s
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == nil || c.id == 0 {
		return false
	}
	*i = bridge.SessionInfo{} // a session sets what it has
	c.session.Describe(i)
	now := s.now()
	*to = operator.Session{
		ID: c.id, Kind: c.kind.String(), Topic: i.Topic, Subscription: i.Subscription,
		Address: c.remote(), UserAgent: c.agent.Value(), TLS: c.tls != nil,
		Opened: s.started.Add(c.opened), IdleSeconds: s.since(now, c.lastSeen.Load()),
		Received: uint64(c.messages), Messages: i.Messages, SentBytes: c.sent.Load(),
		Unacknowledged: i.Unacked, Window: i.Window, InFlight: i.InFlight, Sharing: i.Sharing, Upstream: i.Upstream,
		UnsentBytes: c.unsent.Load(),
	}
	if c.kind == route.Consumer {
		to.SubscriptionType = i.Type.String()
	}
	if c.who != nil {
		to.Role = c.who.grant.Role
	}
	if to.UnsentBytes > 0 {
		to.SlowSeconds = s.since(now, c.lastTake.Load())
	}
	return true
}

// since is the time between two ticks, in seconds.
func (s *Server) since(now, then uint32) float64 {
	return (time.Duration(max(int32(now-then), 0)) * s.o.tick).Seconds()
}

// CloseSession ends the session with that id, and reports whether there is one.
func (s *Server) CloseSession(id uint64, reason string) (found bool) {
	s.o.Bridge.Outlets(func(out bridge.Outlet) bool {
		if c, ok := out.(*conn); ok {
			found = c.closeIf(id, reason)
		}
		return !found
	})
	return found
}

func (c *conn) closeIf(id uint64, reason string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.id != id || c.state().Stage() != life.Session {
		return false
	}
	c.stop(life.Stop, closing{code: closePolicy, reason: reason})
	return true
}

// Clients is as [operator.Source] wants it.
func (s *Server) Clients(visit func(*operator.Client) bool) {
	s.o.Bridge.Clients(func(i *bridge.ClientInfo) bool {
		return visit(&operator.Client{
			ID: i.ID, Kind: i.Kind.String(), Topic: i.Topic, Subscription: i.Subscription, Role: i.Principal, Sessions: i.Sessions, Connected: i.Connected,
		})
	})
}

// Refusals lists the last clients that were refused, the newest first.
func (s *Server) Refusals() []operator.Refusal { return s.incidents.last() }

// Status tells how the server is. Whether the brokers can be reached is left to others.
func (s *Server) Status() operator.Status {
	c, g := s.o.Bridge.Counters(), s.o.Bridge.Gauges()
	var held int64
	for _, kind := range memory.Kinds() {
		held += s.o.Memory.Held(kind)
	}
	return operator.Status{
		Version: s.o.Version, Started: s.started, Draining: s.leaving.Load(),
		Sessions: map[string]int{"producer": g.ProducerSessions, "consumer": g.ConsumerSessions, "reader": g.ReaderSessions},
		Limits: []operator.Limit{
			{Key: limitConnections, Used: s.places.used.Load(), Most: s.places.most.Load()},
			{Key: limitRequests, Used: s.requests.used.Load(), Most: s.requests.most.Load()},
			{Key: limitMemory, Unit: "bytes", Used: held, Most: s.o.Memory.Limit()},
		},
		Counters: map[string]uint64{
			"published": c.Published, "publishFailed": c.Failed(), "delivered": c.Consumers.Delivered + c.Readers.Delivered,
			"acknowledged": c.Consumers.Acked + c.Readers.Acked, "negativelyAcknowledged": c.Nacked,
			"receivedBytes": s.bytesIn(), "sentBytes": s.bytesOut(), "unacknowledged": uint64(max(g.Unacked, 0)),
			"slowClosed": s.metrics.slow.Load(),
		},
	}
}
