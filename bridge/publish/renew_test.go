package publish

import (
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
)

var errGone = &bridge.Error{Kind: bridge.ErrClosed, Detail: "the topic was deleted"}

// The producer of sessions that stay open ends with its topic: it is made anew, and what
// is published meanwhile waits.
func TestProducerIsRenewed(t *testing.T) {
	u := &bridgetest.Upstream{}
	ps := newProducers(t, u, options{OpenConcurrency: 1})
	one, two := produce(t, ps, bridge.ProducerSpec{Topic: topic}), produce(t, ps, bridge.ProducerSpec{Topic: topic})
	first := u.Made()[0]
	send(t, one, "MQ==", "")
	release, err := ps.pool.Slot(t.Context(), topic) // no upstream client can be made
	if err != nil {
		t.Fatal(err)
	}
	first.Confirm(0, errGone)
	waitFor(t, "the producer to be closed", first.IsClosed)
	if got := one.Fill(9); len(got) != 1 || !strings.Contains(got[0], "deleted") {
		t.Errorf("answers: %q", got)
	}
	send(t, one, "Mg==", "")
	send(t, two, "Mw==", "")
	if got := first.Payloads(); got != "1" {
		t.Errorf("published through a producer that has ended: %s", got)
	}
	release()
	waitFor(t, "another producer", func() bool { return len(u.Made()) == 2 })
	second := u.Made()[1]
	waitFor(t, "what was held", func() bool { return len(second.Payloads()) == len("2 3") })
	send(t, one, "NA==", "")
	if got := second.Payloads(); got != "2 3 4" {
		t.Errorf("published: %s", got)
	}
	for _, o := range []*bridgetest.Outlet{one, two} {
		o.Session.Close()
	}
	for i := range 3 {
		second.Confirm(i, nil)
	}
	waitFor(t, "the new producer to be closed", second.IsClosed)
}

// While the topic cannot be had, publishes are answered, and the upstream is not asked for each.
func TestProducerThatCannotBeRenewed(t *testing.T) {
	u := &bridgetest.Upstream{}
	ps := newProducers(t, u, options{})
	o := produce(t, ps, bridge.ProducerSpec{Topic: topic})
	e := o.Session.(*session).e
	u.Refuse(&bridge.Error{Kind: bridge.ErrUnavailable, Detail: "not there"})
	send(t, o, "MQ==", "")
	u.Made()[0].Confirm(0, errGone)
	failed := func() bool { return !e.renewal.active() && e.renewal.refusal() != nil }
	waitFor(t, "the renewal to fail", failed)
	u.Refuse(nil)
	for range 3 {
		send(t, o, "Mg==", "")
	}
	if got := o.Fill(9); len(got) != 4 || !strings.Contains(got[3], "not there") {
		t.Errorf("answers: %q", got)
	}
	if e.renewal.active() || len(u.Made()) != 1 {
		t.Error("it was tried again before the pause was over")
	}
	e.renewal.mu.Lock()
	if e.renewal.pause != firstRenewalPause {
		t.Errorf("pause %v", e.renewal.pause)
	}
	e.renewal.next = time.Time{} // the pause is over
	e.renewal.mu.Unlock()
	send(t, o, "Mw==", "")
	waitFor(t, "another producer", func() bool { return len(u.Made()) == 2 && !e.renewal.active() })
	send(t, o, "NA==", "")
	if got := u.Made()[1].Payloads(); got != "4" {
		t.Errorf("published: %s", got)
	}
}

// What ended for a reason that stays, or whose messages the client numbers, is left.
func TestProducerIsNotRenewed(t *testing.T) {
	for name, c := range map[string]struct {
		spec bridge.ProducerSpec
		err  error
	}{
		"terminated": {bridge.ProducerSpec{Topic: topic}, &bridge.Error{Kind: bridge.ErrTerminated}},
		"fenced":     {bridge.ProducerSpec{Topic: topic}, &bridge.Error{Kind: bridge.ErrFenced}},
		"timeout":    {bridge.ProducerSpec{Topic: topic}, &bridge.Error{Kind: bridge.ErrTimeout}},
		"numbered":   {bridge.ProducerSpec{Topic: topic, HasInitialSequenceID: true}, errGone},
	} {
		t.Run(name, func(t *testing.T) {
			u := &bridgetest.Upstream{}
			o := produce(t, newProducers(t, u, options{}), c.spec)
			send(t, o, "MQ==", "")
			u.Made()[0].Confirm(0, c.err)
			if o.Session.(*session).e.renewal.active() || u.Made()[0].IsClosed() {
				t.Error("it is renewed")
			}
		})
	}
}
