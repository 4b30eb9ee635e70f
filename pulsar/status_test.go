package pulsar

import (
	"testing"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
)

// TestConnections tells what an operator sees of a broker that is there, and of one that is not any more.
func TestConnections(t *testing.T) {
	b := fakebroker.Start(t)
	c := newClient(t, Options{ServiceURL: b.URL(), ConnectionsPerBroker: 1})
	if list := c.Connections(); len(list) > 0 {
		t.Errorf("before anything is asked for: %+v", list)
	}
	openProducer(t, c, ProducerOptions{Topic: topic})
	list := c.Connections()
	if len(list) != 1 || list[0].State != "up" || list[0].Producers != 1 || list[0].Since.IsZero() || list[0].Err != nil {
		t.Errorf("%+v", list)
	}

	b.Close()
	eventually(t, "the broker is known to be gone", func() bool {
		list = c.Connections()
		return len(list) == 1 && list[0].State == "down" && c.ConnCounts().Failed[ReasonUnreachable] > 0
	})
	if list[0].Err == nil || list[0].Broker != b.URL()[len("pulsar://"):] {
		t.Errorf("%+v", list)
	}
	if n := c.ConnCounts(); n.Opened == 0 || n.Lost[ReasonClosed] == 0 || n.Failed[ReasonUnreachable] == 0 {
		t.Errorf("%+v", n)
	}
}
