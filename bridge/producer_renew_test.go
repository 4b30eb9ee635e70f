package bridge

import (
	"strings"
	"testing"
	"time"
)

func (u *fakeUpstream) made() []*fakeProducer {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]*fakeProducer(nil), u.producers...)
}

func (u *fakeUpstream) refuse(err error) { u.mu.Lock(); u.openErr = err; u.mu.Unlock() }

var errGone = &Error{Kind: ErrClosed, Detail: "the topic was deleted"}

// The producer of sessions that stay open ends with its topic: it is made anew, and what
// is published meanwhile waits.
func TestProducerIsRenewed(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{OpenConcurrency: 1})
	one, two := produce(t, b, ProducerSpec{Topic: topic}), produce(t, b, ProducerSpec{Topic: topic})
	first := u.made()[0]
	send(t, one, "MQ==", "")
	b.slots <- struct{}{} // no upstream client can be made
	first.confirm(0, errGone)
	waitFor(t, "the producer to be closed", first.isClosed)
	if got := one.fill(9); len(got) != 1 || !strings.Contains(got[0], "deleted") {
		t.Errorf("answers: %q", got)
	}
	send(t, one, "Mg==", "")
	send(t, two, "Mw==", "")
	if got := first.payloads(); got != "1" {
		t.Errorf("published through a producer that has ended: %s", got)
	}
	<-b.slots
	waitFor(t, "another producer", func() bool { return len(u.made()) == 2 })
	second := u.made()[1]
	waitFor(t, "what was held", func() bool { return len(second.payloads()) == len("2 3") })
	send(t, one, "NA==", "")
	if got := second.payloads(); got != "2 3 4" {
		t.Errorf("published: %s", got)
	}
	for _, o := range []*fakeOutlet{one, two} {
		o.s.Close()
	}
	for i := range 3 {
		second.confirm(i, nil)
	}
	waitFor(t, "the new producer to be closed", second.isClosed)
}

// While the topic cannot be had, publishes are answered, and the upstream is not asked for each.
func TestProducerThatCannotBeRenewed(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	o := produce(t, b, ProducerSpec{Topic: topic})
	e := o.s.(*producerSession).e
	u.refuse(&Error{Kind: ErrUnavailable, Detail: "not there"})
	send(t, o, "MQ==", "")
	u.made()[0].confirm(0, errGone)
	failed := func() bool { return !e.renewal.active() && e.renewal.refusal() != nil }
	waitFor(t, "the renewal to fail", failed)
	u.refuse(nil)
	for range 3 {
		send(t, o, "Mg==", "")
	}
	if got := o.fill(9); len(got) != 4 || !strings.Contains(got[3], "not there") {
		t.Errorf("answers: %q", got)
	}
	if e.renewal.active() || len(u.made()) != 1 {
		t.Error("it was tried again before the pause was over")
	}
	e.renewal.mu.Lock()
	if e.renewal.pause != firstRenewalPause {
		t.Errorf("pause %v", e.renewal.pause)
	}
	e.renewal.next = time.Time{} // the pause is over
	e.renewal.mu.Unlock()
	send(t, o, "Mw==", "")
	waitFor(t, "another producer", func() bool { return len(u.made()) == 2 && !e.renewal.active() })
	send(t, o, "NA==", "")
	if got := u.made()[1].payloads(); got != "4" {
		t.Errorf("published: %s", got)
	}
}

// What ended for a reason that stays, or whose messages the client numbers, is left.
func TestProducerIsNotRenewed(t *testing.T) {
	for name, c := range map[string]struct {
		spec ProducerSpec
		err  error
	}{
		"terminated": {ProducerSpec{Topic: topic}, &Error{Kind: ErrTerminated}},
		"fenced":     {ProducerSpec{Topic: topic}, &Error{Kind: ErrFenced}},
		"timeout":    {ProducerSpec{Topic: topic}, &Error{Kind: ErrTimeout}},
		"numbered":   {ProducerSpec{Topic: topic, HasInitialSequenceID: true}, errGone},
	} {
		t.Run(name, func(t *testing.T) {
			u := &fakeUpstream{}
			o := produce(t, newBridge(t, u, Options{}), c.spec)
			send(t, o, "MQ==", "")
			u.made()[0].confirm(0, c.err)
			if o.s.(*producerSession).e.renewal.active() || u.made()[0].isClosed() {
				t.Error("it is renewed")
			}
		})
	}
}
