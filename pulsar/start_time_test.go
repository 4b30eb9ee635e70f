package pulsar

import (
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// TestStartTime looks at what a broker is asked for by who begins at a time: so many seconds back each time, as long as nothing was
// delivered, and then what follows that.
func TestStartTime(t *testing.T) {
	b := fakebroker.Start(t)
	got := make(chan wire.Subscribe, 9)
	b.Script = func(_ *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if s, ok := cmd.(*wire.Subscribe); ok {
			got <- *s
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newInbox(t)
	in.ack = false
	start := time.Now().Add(-time.Hour)
	openConsumer(t, c, topic, &ConsumerOptions{Type: wire.Exclusive, NonDurable: true, StartTime: start}, in)
	back := func() {
		t.Helper()
		s := receive(t, "a SUBSCRIBE", got)
		least, most := uint64((time.Hour+clockSlack)/time.Second), uint64((time.Since(start)+clockSlack)/time.Second)+1
		if n := s.StartMessageRollbackDurationSec; n < least || n > most || s.StartMessageID == nil || int64(s.StartMessageID.LedgerID) != -1 {
			t.Errorf("%d seconds back, or else at %+v", n, s.StartMessageID)
		}
	}
	back()
	b.CloseConsumers(topic, "")
	back()
	publishText(b, topic, text(0))
	in.awaitAll(text(0))
	b.CloseConsumers(topic, "")
	if s := receive(t, "a SUBSCRIBE", got); s.StartMessageRollbackDurationSec != 0 || s.StartMessageID == nil || s.StartMessageID.LedgerID != 1 {
		t.Errorf("after a message: %d seconds back, or else at %+v", s.StartMessageRollbackDurationSec, s.StartMessageID)
	}
}

// TestRollback bounds how far back a broker is asked to go.
func TestRollback(t *testing.T) {
	now := time.UnixMilli(1_000_000_000)
	for since, want := range map[int64]uint64{
		0:                    0,
		1_000_000_000:        10,
		999_999_999:          11,
		999_000_000:          1010,
		1_000_009_000:        1,
		1_000_060_000:        1, // later than now: the broker finds what is published from now on
		9223372036854775807:  1,
		-9223372036854775808: 1_000_010,
	} {
		p := placing{since: since}
		if got := p.rollback(now); got != want {
			t.Errorf("since %d: %d seconds, want %d", since, got, want)
		}
	}
}
