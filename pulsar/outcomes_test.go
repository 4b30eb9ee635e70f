package pulsar

import (
	"errors"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// TestRequestCounts has a broker do, refuse, leave and lose what it is asked for.
func TestRequestCounts(t *testing.T) {
	b := fakebroker.Start(t)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.Seek:
			c.Send(&wire.Error{RequestID: cmd.RequestID, Error: wire.MetadataError, Message: "not now"})
			return fakebroker.Ignore
		case *wire.Ack:
			return fakebroker.Ignore
		case *wire.GetLastMessageID:
			c.Close()
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL(), ConnectionsPerBroker: 1})
	openProducer(t, c, ProducerOptions{Topic: topic})
	var on *conn
	c.pool.mu.Lock()
	for _, x := range c.pool.conns {
		on = x
	}
	c.pool.mu.Unlock()
	ask := func(cmd func(id uint64) wire.Command) error {
		done := make(chan error, 1)
		on.request(cmd, func(_ wire.Command, err error) { done <- err })
		return receive(t, "an answer", done)
	}
	if err := ask(func(id uint64) wire.Command { return &wire.Seek{RequestID: id} }); err == nil {
		t.Error("the broker refuses it")
	}
	late := make(chan error, 1)
	on.request(func(id uint64) wire.Command { return &wire.Ack{RequestID: id, HasRequestID: true} }, func(_ wire.Command, err error) { late <- err })
	on.mu.Lock()
	for id, r := range on.requests {
		if r.kind == requestKindOf(wire.TypeAck) {
			r.due = time.Now().Add(-time.Second)
			on.requests[id] = r
		}
	}
	on.mu.Unlock()
	on.expire()
	if err := receive(t, "an answer", late); !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	on.mu.Lock()
	mine := on.requests
	on.requests = make(map[uint64]request, maxRequests)
	for i := range uint64(maxRequests) {
		on.requests[1<<60+i] = request{done: func(wire.Command, error) {}, due: time.Now().Add(time.Hour)}
	}
	on.mu.Unlock()
	if err := ask(func(id uint64) wire.Command { return &wire.GetTopics{RequestID: id} }); !errors.Is(err, ErrTooMany) {
		t.Error(err)
	}
	on.mu.Lock()
	on.requests = mine
	on.mu.Unlock()
	if err := ask(func(id uint64) wire.Command { return &wire.GetLastMessageID{RequestID: id} }); !errors.Is(err, ErrConnection) {
		t.Error(err)
	}
	counted := map[string]uint64{}
	for _, n := range c.RequestCounts() {
		counted[n.Request+" "+n.Outcome] = n.Count
	}
	for _, want := range []string{"seek refused", "acknowledge timeout", "topics full", "position lost"} {
		if counted[want] != 1 {
			t.Errorf("%s: %d", want, counted[want])
		}
	}
	if counted["producer done"] == 0 || counted["lookup done"] == 0 || counted["seek done"] != 0 || counted["acknowledge done"] != 0 {
		t.Errorf("%v", counted)
	}
}
