package pulsar

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// runDones count outcomes of messages that are told when the reader rests.
type runDones struct {
	mu          sync.Mutex
	plain, more int // outcomes
	rests       int
}

func (d *runDones) Sent(MessageID, error) { d.mu.Lock(); d.plain++; d.mu.Unlock() }

func (d *runDones) SentMore(MessageID, error) { d.mu.Lock(); d.more++; d.mu.Unlock() }

func (d *runDones) Rest() { d.mu.Lock(); d.rests++; d.mu.Unlock() }

// await waits for so many outcomes in all, and so many a Rest.
func (d *runDones) await(t *testing.T, outcomes, rests int) {
	t.Helper()
	eventually(t, "the outcomes, and rest", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.more == outcomes && d.rests == rests
	})
}

// TestReaderRestsAfterAnswers tells who publishes that there is no outcome more for now: once for a batch, and also when the connection
// breaks with a receipt in front of what is no frame.
func TestReaderRestsAfterAnswers(t *testing.T) {
	b := fakebroker.Start(t)
	var breaks atomic.Bool
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		s, ok := cmd.(*wire.Send)
		if !ok || !breaks.CompareAndSwap(true, false) {
			return fakebroker.Handle
		}
		receipt := &wire.SendReceipt{ProducerID: s.ProducerID, SequenceID: s.SequenceID, MessageID: wire.MessageID{LedgerID: 1, EntryID: 7}, HasMessageID: true}
		c.Raw(append(wire.Append(nil, receipt), "HTTP/1.1 400 Bad Request\r\n\r\n"...))
		return fakebroker.Ignore
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	p, _ := openProducer(t, c, ProducerOptions{Topic: topic, Batching: true, BatchDelay: time.Hour, BatchMessages: 5})
	d := &runDones{}
	for range 15 {
		p.Send(&Message{Payload: []byte("x")}, d)
	}
	d.await(t, 15, 3)
	alone, _ := openProducer(t, c, ProducerOptions{Topic: topic})
	for range 3 * maxAnswered {
		alone.Send(&Message{Payload: []byte("x")}, d)
	}
	d.await(t, 15+3*maxAnswered, 3+3*maxAnswered)
	breaks.Store(true)
	alone.Send(&Message{Payload: []byte("x")}, d)
	d.await(t, 16+3*maxAnswered, 4+3*maxAnswered)
	if d.plain > 0 {
		t.Errorf("%d outcomes without a rest", d.plain)
	}
}
