package pulsar

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

const topic = "persistent://public/default/t"

// brokerFault is something that a broker does instead of what it should, when it gets a command of type at.
type brokerFault struct {
	name string
	at   wire.Type
	do   func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict
}

// startFaulty starts a broker that commits f at the commands of f's type that when tells, by their number from 0, and a client
// that notices soon.
func startFaulty(t *testing.T, f *brokerFault, when func(n int) bool) (*fakebroker.Broker, *Client) {
	t.Helper()
	b := fakebroker.Start(t)
	var seen atomic.Int32
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if cmd.Type() == f.at && when(int(seen.Add(1))-1) {
			return f.do(c, cmd)
		}
		return fakebroker.Handle
	}
	return b, newClient(t, Options{ServiceURL: b.URL(), OperationTimeout: 300 * time.Millisecond, KeepAlive: 60 * time.Millisecond})
}

// faults are those that concern producers.
var faults = []brokerFault{
	{"drops CONNECT", wire.TypeConnect, drop},
	{"does not answer CONNECT", wire.TypeConnect, ignore},
	{"sends garbage for CONNECT", wire.TypeConnect, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Raw([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		return fakebroker.Drop
	}},
	{"is not ready for CONNECT", wire.TypeConnect, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Send(&wire.Error{Error: wire.ServiceNotReady})
		return fakebroker.Drop
	}},
	{"answers CONNECT by another command", wire.TypeConnect, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Send(&wire.Success{})
		return fakebroker.Ignore
	}},
	{"drops LOOKUP", wire.TypeLookup, drop},
	{"does not answer LOOKUP", wire.TypeLookup, ignore},
	{"is not ready for LOOKUP", wire.TypeLookup, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Send(&wire.LookupResponse{RequestID: cmd.(*wire.Lookup).RequestID, Response: wire.LookupFailed, Error: wire.ServiceNotReady, HasError: true})
		return fakebroker.Ignore
	}},
	{"names no broker", wire.TypeLookup, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Send(&wire.LookupResponse{RequestID: cmd.(*wire.Lookup).RequestID, Response: wire.LookupConnect})
		return fakebroker.Ignore
	}},
	{"names a broker that is not there", wire.TypeLookup, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Send(&wire.LookupResponse{RequestID: cmd.(*wire.Lookup).RequestID, Response: wire.LookupConnect, BrokerServiceURL: "pulsar://127.0.0.1:1"})
		return fakebroker.Ignore
	}},
	{"redirects in a circle", wire.TypeLookup, redirect},
	{"answers LOOKUP behind the next", wire.TypeLookup, behindTheNext(doLookup)},
	{"drops PRODUCER", wire.TypeProducer, drop},
	{"does not answer PRODUCER", wire.TypeProducer, ignore},
	{"answers PRODUCER behind the next", wire.TypeProducer, behindTheNext(doCreate)},
	{"refuses PRODUCER for now", wire.TypeProducer, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Send(&wire.Error{RequestID: cmd.(*wire.Producer).RequestID, Error: wire.ServiceNotReady})
		return fakebroker.Ignore
	}},
	{"answers PRODUCER and drops", wire.TypeProducer, handleAndDrop},
	{"closes the producer at once", wire.TypeProducer, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		_ = c.Handle(cmd)
		return closeProducer(c, cmd.(*wire.Producer).ProducerID)
	}},
	{"closes the producer before it is made", wire.TypeProducer, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		return closeProducer(c, cmd.(*wire.Producer).ProducerID)
	}},
	{"answers PRODUCER by another command", wire.TypeProducer, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Send(&wire.Success{RequestID: cmd.(*wire.Producer).RequestID})
		return fakebroker.Ignore
	}},
	{"drops SEND", wire.TypeSend, drop},
	{"stores and drops", wire.TypeSend, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		_, _ = c.Store(cmd.(*wire.Send))
		return fakebroker.Drop
	}},
	{"closes the producer at SEND", wire.TypeSend, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		return closeProducer(c, cmd.(*wire.Send).ProducerID)
	}},
	{"stores and closes the producer", wire.TypeSend, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		_, _ = c.Store(cmd.(*wire.Send))
		return closeProducer(c, cmd.(*wire.Send).ProducerID)
	}},
	{"refuses SEND for now", wire.TypeSend, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		return refuse(c, cmd.(*wire.Send))
	}},
	{"stores and refuses", wire.TypeSend, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		_, _ = c.Store(cmd.(*wire.Send))
		return refuse(c, cmd.(*wire.Send))
	}},
	{"refuses and closes the producer", wire.TypeSend, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		refuse(c, cmd.(*wire.Send))
		return closeProducer(c, cmd.(*wire.Send).ProducerID)
	}},
	{"names itself as the assigned broker", wire.TypeSend, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		id := cmd.(*wire.Send).ProducerID
		delete(c.Topics, id)
		c.Send(&wire.CloseProducer{ProducerID: id, AssignedBrokerServiceURL: c.Broker.URL()})
		return fakebroker.Ignore
	}},
	{"names a broker that is none", wire.TypeSend, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		id := cmd.(*wire.Send).ProducerID
		delete(c.Topics, id)
		c.Send(&wire.CloseProducer{ProducerID: id, AssignedBrokerServiceURL: "http://?"})
		return fakebroker.Ignore
	}},
	{"confirms twice", wire.TypeSend, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if r, _ := c.Store(cmd.(*wire.Send)); r != nil {
			c.Send(r)
			c.Send(r)
		}
		return fakebroker.Ignore
	}},
	{"forgets a receipt", wire.TypeSend, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		_, _ = c.Store(cmd.(*wire.Send))
		return fakebroker.Ignore // the next receipt shows it
	}},
	{"confirms what was not sent", wire.TypeSend, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Send(&wire.SendReceipt{ProducerID: cmd.(*wire.Send).ProducerID, SequenceID: 1 << 60})
		return fakebroker.Handle
	}},
	{"confirms for a producer of nobody", wire.TypeSend, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Send(&wire.SendReceipt{ProducerID: 1 << 60})
		c.Send(&wire.SendError{ProducerID: 1 << 60})
		c.Send(&wire.CloseProducer{ProducerID: 1 << 60})
		c.Send(&wire.Success{RequestID: 1 << 60})
		return fakebroker.Handle
	}},
	{"sends garbage", wire.TypeSend, garbage},
	{"sends a command without its fields", wire.TypeSend, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Deaf = true
		c.Raw([]byte{0, 0, 0, 8, 0, 0, 0, 4, 8, 7, 7<<3 | 2, 0})
		return fakebroker.Ignore
	}},
	{"cuts a frame short", wire.TypeSend, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Raw([]byte{0, 0, 0, 100, 0, 0})
		return fakebroker.Drop
	}},
	{"half-closes", wire.TypeSend, halfClose},
	{"sends a type that is not known", wire.TypeSend, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Raw([]byte{0, 0, 0, 9, 0, 0, 0, 5, 8, 99, 0x9a, 6, 0})
		return fakebroker.Handle
	}},
	{"asks for a login again and again", wire.TypeSend, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		for range 1000 {
			c.Send(&wire.AuthChallenge{})
			c.Send(&wire.Ping{})
		}
		return fakebroker.Handle
	}},
	{"says nothing any more", wire.TypeSend, silence},
}

func drop(*fakebroker.Conn, wire.Command) fakebroker.Verdict { return fakebroker.Drop }

// handleAndDrop does what it should, and says nothing of it.
func handleAndDrop(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
	_ = c.Handle(cmd)
	return fakebroker.Drop
}

func garbage(c *fakebroker.Conn, _ wire.Command) fakebroker.Verdict {
	c.Deaf = true
	c.Raw([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	return fakebroker.Ignore
}

func halfClose(c *fakebroker.Conn, _ wire.Command) fakebroker.Verdict {
	c.CloseWrite()
	return fakebroker.Handle
}

func ignore(*fakebroker.Conn, wire.Command) fakebroker.Verdict { return fakebroker.Ignore }

func redirect(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
	c.Send(&wire.LookupResponse{RequestID: cmd.(*wire.Lookup).RequestID, Response: wire.LookupRedirect, BrokerServiceURL: c.Broker.URL()})
	return fakebroker.Ignore
}

// behindTheNext does a command and keeps its answer until the next one of a connection is answered, which is after its time-out unless both are
// asked at once. do returns what sends the answer.
func behindTheNext(do func(c *fakebroker.Conn, cmd wire.Command) (answer func())) func(*fakebroker.Conn, wire.Command) fakebroker.Verdict {
	var kept sync.Map // by connection
	return func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		answer := do(c, cmd)
		before, ok := kept.LoadAndDelete(c)
		if !ok {
			kept.Store(c, answer)
			return fakebroker.Ignore
		}
		answer()
		before.(func())()
		return fakebroker.Ignore
	}
}

// nobody is a request whose answer concerns nobody.
const nobody = 1 << 60

func doLookup(c *fakebroker.Conn, cmd wire.Command) (answer func()) {
	id := cmd.(*wire.Lookup).RequestID
	return func() { _ = c.Handle(&wire.Lookup{RequestID: id}) }
}

func doCreate(c *fakebroker.Conn, cmd wire.Command) (answer func()) {
	p := *cmd.(*wire.Producer)
	id, name := p.RequestID, p.ProducerName
	p.RequestID = nobody
	_ = c.Handle(&p)
	return func() {
		c.Send(&wire.ProducerSuccess{RequestID: id, ProducerName: name, LastSequenceID: -1, HasLastSequenceID: true})
	}
}

func doSubscribe(c *fakebroker.Conn, cmd wire.Command) (answer func()) {
	s := *cmd.(*wire.Subscribe)
	id := s.RequestID
	s.RequestID = nobody
	_ = c.Handle(&s)
	return func() { c.Send(&wire.Success{RequestID: id}) }
}

// TestAnswersInReverse answers the second of two requests first, of each kind.
func TestAnswersInReverse(t *testing.T) {
	b := fakebroker.Start(t)
	kinds := map[wire.Type]func(*fakebroker.Conn, wire.Command) fakebroker.Verdict{
		wire.TypeLookup: behindTheNext(doLookup), wire.TypeProducer: behindTheNext(doCreate), wire.TypeSubscribe: behindTheNext(doSubscribe),
	}
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if do := kinds[cmd.Type()]; do != nil {
			return do(c, cmd)
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL(), OperationTimeout: 2 * patience})
	var producers [2]*Producer
	var watchers [2]*watcher
	var inboxes [2]*inbox
	on := func(i int) string { return fmt.Sprint(topic, i) }
	for i := range 2 {
		watchers[i], inboxes[i] = newWatcher(), newInbox(t)
		producers[i] = c.NewProducer(ProducerOptions{Topic: on(i), Name: fmt.Sprint("p", i)}, producerOwner{watchers[i]})
		inboxes[i].permits.Permit(10)
		c.NewConsumer(on(i), "s", earliest(wire.Exclusive), &inboxes[i].permits, inboxes[i])
	}
	l := newLedger(t)
	for i := range 2 {
		if err := receive(t, "a producer", watchers[i].opened); err != nil {
			t.Fatal(err)
		}
		if err := receive(t, "a consumer", inboxes[i].opened); err != nil {
			t.Fatal(err)
		}
		l.send(producers[i], text(i))
	}
	l.wait()
	for i, in := range inboxes {
		if got := in.awaitAll(text(i)); len(got) != 1 {
			t.Errorf("%q", got)
		}
	}
}

// refuse refuses a message, and all that follow it, as a topic does that is being closed.
func refuse(c *fakebroker.Conn, s *wire.Send) fakebroker.Verdict {
	delete(c.Topics, s.ProducerID)
	c.Send(&wire.SendError{ProducerID: s.ProducerID, SequenceID: max(s.SequenceID, s.HighestSequenceID), Error: wire.PersistenceError})
	return fakebroker.Ignore
}

func closeProducer(c *fakebroker.Conn, id uint64) fakebroker.Verdict {
	delete(c.Topics, id)
	c.Send(&wire.CloseProducer{ProducerID: id})
	return fakebroker.Ignore
}

// silence makes the connection one from which nothing comes, by a frame that has no end.
func silence(c *fakebroker.Conn, _ wire.Command) fakebroker.Verdict {
	c.Deaf = true
	c.Raw([]byte{0, 0, 0, 100})
	return fakebroker.Ignore
}

// TestFaults lets a broker do each of the faults at several points of a producer's life, with and without
// batches. Whatever happens, everything is answered once, what is confirmed is stored, in order and, as the broker
// deduplicates, once.
func TestFaults(t *testing.T) {
	for _, f := range faults {
		for _, batching := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, batching %t", f.name, batching), func(t *testing.T) {
				t.Parallel()
				for point := range 4 {
					b, c := startFaulty(t, &f, func(n int) bool {
						return f.at == wire.TypeSend && n == 7*point || f.at != wire.TypeSend && n <= point
					})
					b.Deduplicate = true
					// An operation's time may be over before the broker is good again.
					var p *Producer
					o := ProducerOptions{Topic: topic, Name: "p", Batching: batching, BatchMessages: 3}
					for p == nil {
						w := newWatcher()
						x := c.NewProducer(o, producerOwner{w})
						if err := receive(t, "the producer", w.opened); err == nil {
							p = x
						}
					}
					l := newLedger(t)
					for i := range 40 {
						l.send(p, text(i))
						if i%8 == 7 {
							if f.name != "forgets a receipt" {
								l.wait()
							}
						}
					}
					if f.name == "forgets a receipt" {
						for i := 40; ; i++ { // only a later receipt tells
							l.send(p, text(i))
							select {
							case <-l.none:
							case <-time.After(20 * time.Millisecond):
								continue
							}
							break
						}
					}
					l.wait()
					closed := make(chan struct{})
					p.Close(func() { close(closed) })
					receive(t, "the end of the producer", closed)
					l.check(b.Stored(topic), true)
					l.checkPlaces(b.Stored(topic))
					for text, err := range l.errs {
						t.Errorf("%q: %v", text, err)
					}
				}
			})
		}
	}
}
