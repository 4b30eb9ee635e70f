package hub

import (
	"slices"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
)

// uses are the clients at the upstream that a session names.
func uses(o *bridgetest.Outlet) []uint64 {
	var i bridge.SessionInfo
	o.Session.Describe(&i)
	return i.Upstream
}

// Sessions name the clients that they share, each of which has a name of its own and as many sessions as name it.
func TestSessionsNameWhatTheyShare(t *testing.T) {
	u := &bridgetest.Upstream{Last: bridgetest.Message(9).ID}
	h := newHub(t, u, Options{})
	earliest := bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest, Queue: 1000}
	other, elsewhere := sharedSpec, latest()
	other.Subscription, elsewhere.Topic = "other", topic+"2"
	for _, shared := range []struct {
		kind   string
		most   int // clients that a session uses
		three  func() *bridgetest.Outlet
		fourth func() *bridgetest.Outlet
	}{
		{
			"producer", 1, func() *bridgetest.Outlet { return produce(t, h, bridge.ProducerSpec{Topic: topic}) },
			func() *bridgetest.Outlet { return produce(t, h, bridge.ProducerSpec{Topic: topic + "2"}) },
		},
		{
			"consumer", 1, func() *bridgetest.Outlet { return consume(t, h, sharedSpec, minute) },
			func() *bridgetest.Outlet { return consume(t, h, other, minute) },
		},
		{
			"reader", 1, func() *bridgetest.Outlet { return reader(t, h, latest(), bridge.ReadOptions{Window: 9}) },
			func() *bridgetest.Outlet { return reader(t, h, elsewhere, bridge.ReadOptions{Window: 9}) },
		},
		{
			"reader that is behind", 2, func() *bridgetest.Outlet { return reader(t, h, earliest, bridge.ReadOptions{Window: 9}) },
			func() *bridgetest.Outlet { return reader(t, h, elsewhere, bridge.ReadOptions{Window: 9}) },
		},
	} {
		one, two, three, fourth := uses(shared.three()), uses(shared.three()), uses(shared.three()), uses(shared.fourth())
		if len(one) != shared.most || !slices.Equal(one, two) || !slices.Equal(two, three) || len(fourth) != 1 || slices.Contains(one, fourth[0]) {
			t.Errorf("%s: sessions use %v, %v, %v, and one of something else %v", shared.kind, one, two, three, fourth)
		}
	}

	u.Mu.Lock()
	u.Split = 3
	u.Mu.Unlock()
	split := latest()
	split.Topic = topic + "3"
	if ids := uses(reader(t, h, split, bridge.ReadOptions{Window: 9})); len(ids) != 3 {
		t.Errorf("a reader of three partitions uses %v", ids)
	}

	for what, o := range map[string]*bridgetest.Outlet{
		"a producer with a name": produce(t, h, bridge.ProducerSpec{Topic: topic, Name: "n"}),
		"an exclusive consumer":  consume(t, h, bridge.ConsumerSpec{Topic: topic, Subscription: "e", Queue: 10}, minute),
		"a consumer that pulls":  consume(t, h, sharedSpec, bridge.ConsumeOptions{Pull: true}),
	} {
		if ids := uses(o); len(ids) != 0 {
			t.Errorf("%s shares with nobody, but names %v", what, ids)
		}
	}

	named := map[uint64]int{}
	h.Outlets(func(o bridge.Outlet) bool {
		for _, id := range uses(o.(*bridgetest.Outlet)) {
			named[id]++
		}
		return true
	})
	listed := 0
	h.Clients(func(c *bridge.ClientInfo) bool {
		if listed++; c.ID == 0 || named[c.ID] != c.Sessions {
			t.Errorf("%d sessions name %+v", named[c.ID], c)
		}
		return true
	})
	if listed != len(named) {
		t.Errorf("%d clients listed, %d named: %v", listed, len(named), named)
	}
}

// A producer that takes no more sessions is listed for as long as it has some.
func TestProducerThatTakesNoMoreIsListed(t *testing.T) {
	u := &bridgetest.Upstream{}
	h := newHub(t, u, Options{})
	list := func() (sessions map[uint64]int) {
		sessions = map[uint64]int{}
		h.Clients(func(c *bridge.ClientInfo) bool { sessions[c.ID] = c.Sessions; return true })
		return sessions
	}
	before := produce(t, h, bridge.ProducerSpec{Topic: topic})
	u.Producers[0].Mu.Lock()
	u.Producers[0].Broken = bridge.ErrFenced
	u.Producers[0].Mu.Unlock()
	after := produce(t, h, bridge.ProducerSpec{Topic: topic})
	old, now := uses(before)[0], uses(after)[0]
	if got := list(); old == now || len(got) != 2 || got[old] != 1 || got[now] != 1 {
		t.Errorf("clients %v, of which one has %d and another %d", got, old, now)
	}
	before.Session.Close()
	waitFor(t, "the old one to end", u.Producers[0].IsClosed)
	if got := list(); len(got) != 1 || got[now] != 1 {
		t.Errorf("clients %v, not %d alone", got, now)
	}
	after.Session.Close()
	waitFor(t, "the other one to end", u.Producers[1].IsClosed)
	if got := list(); len(got) != 0 {
		t.Errorf("clients %v without a session", got)
	}
}
