package pulsar

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/apache/pulsar-client-go/pulsar"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pulsegate/pulsegate/bridge"
)

// part is what the client library has of a producer for a topic, or for one
// partition of it, and the answers that it is owed.
//
// A broker refuses a message, such as one larger than its topic allows, with
// SEND_ERROR, and does so at once, while messages before it are still being
// stored. pulsar-client-go v0.19.0 then forgets its producer: nothing that is
// published through it is answered any more. So the library does not see the
// command (see [received]). What it gets in its place is a receipt with an
// impossible position, once all before it are answered; [publish.confirmed] knows that by
// refusedLedger.
//
// mu guards what it stands above. Receipts are handed to the library without it.
type part struct {
	p       *producer
	id      uint64        // by which client and broker name the library's producer
	head    reflect.Value // method: its oldest unanswered entry
	receive reflect.Value // method: take a receipt
	batch   *libraryBatch // nil: it makes no batches
	state   interface{ Load() int32 }

	mu       sync.Mutex
	refused  map[uint64]refusal // by sequence id, not yet answered; nil: none
	settling bool
	reason   refusal // of what is being answered
}

// refusal says why a broker did not take a message.
type refusal struct {
	kind error
	text string
}

// refusedLedger is in the position of a message that was not stored; no ledger
// has that number.
const refusedLedger = -1 << 63

// errOtherProducer says that the library's producers are not as v0.19.0 has them.
var errOtherProducer = errors.New("pulsar-client-go has producers of a shape unknown here")

// libraryParts are the library's own producers, for the topic or each partition in turn.
func libraryParts(up pulsar.Producer) []pulsar.Producer {
	f := field(reflect.ValueOf(up), "producers")
	if !f.IsValid() || f.Type() != reflect.TypeFor[atomic.Value]() {
		return nil
	}
	list, _ := accessible(f).Addr().Interface().(*atomic.Value).Load().([]pulsar.Producer)
	return list
}

// newPart looks into one of the library's own producers.
func newPart(p *producer, up pulsar.Producer) (*part, error) {
	v := reflect.ValueOf(up)
	id, queue, state := field(v, "producerID"), field(v, "pendingQueue"), field(v, "state")
	if id.Kind() != reflect.Uint64 || queue.Kind() != reflect.Interface || queue.IsNil() {
		return nil, errOtherProducer
	}
	r := &part{p: p, id: id.Uint()}
	r.head = accessible(queue).MethodByName("Peek")
	r.receive = v.MethodByName("ReceivedSendReceipt")
	if !r.head.IsValid() || r.head.Type() != reflect.TypeFor[func() any]() || !r.receive.IsValid() {
		return nil, errOtherProducer
	}
	if t := r.receive.Type(); t.NumIn() != 1 || t.In(0).Kind() != reflect.Pointer || !t.In(0).Implements(reflect.TypeFor[proto.Message]()) {
		return nil, errOtherProducer
	}
	if !state.IsValid() {
		return nil, errOtherProducer
	}
	var ok bool
	if r.state, ok = accessible(state).Addr().Interface().(interface{ Load() int32 }); !ok {
		return nil, errOtherProducer
	}
	if p.batching() {
		if r.batch = newLibraryBatch(v, batchMessages(&p.spec)); r.batch == nil {
			return nil, errOtherProducer
		}
	}
	return r, nil
}

// stateReady is the state of a producer that the broker has confirmed, on a
// connection that is not known to be lost.
const stateReady = 2

// connected reports that what is published goes to the broker.
func (r *part) connected() bool { return r.state.Load() == stateReady }

// oldest is the sequence id of the oldest entry without an answer.
func (r *part) oldest() (sequence uint64, ok bool) {
	f := field(r.head.Call(nil)[0].Elem(), "sequenceID")
	if f.Kind() != reflect.Uint64 {
		return 0, false
	}
	return f.Uint(), true
}

// refuse notes that the broker has refused an entry, and answers it if no other
// is before it.
func (r *part) refuse(sequence uint64, why refusal) {
	r.mu.Lock()
	if r.refused == nil {
		r.refused = map[uint64]refusal{}
		r.p.u.parts.owing.Add(1)
	}
	r.refused[sequence] = why
	r.mu.Unlock()
	r.settle()
}

// settle answers what was refused, as far as all before it is answered. It runs
// on the goroutine on which the library takes receipts, and from within them: the
// library would break its connection over a receipt for what comes after.
func (r *part) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.settling || r.refused == nil {
		return
	}
	r.settling = true
	defer func() { r.settling = false }()
	for {
		oldest, ok := r.oldest()
		if why, refused := r.refused[oldest]; ok && refused {
			delete(r.refused, oldest)
			r.reason = why
			r.mu.Unlock()
			r.answer(oldest)
			r.mu.Lock()
			continue
		}
		for sequence := range r.refused {
			if !ok || sequence < oldest { // its time had run out
				delete(r.refused, sequence)
			}
		}
		if len(r.refused) == 0 {
			r.refused = nil
			r.p.u.parts.owing.Add(-1)
		}
		return
	}
}

// answer lets the library answer its oldest entry.
func (r *part) answer(sequence uint64) {
	receipt := reflect.New(r.receive.Type().In(0).Elem())
	m := receipt.Interface().(proto.Message).ProtoReflect()
	fields := m.Descriptor().Fields()
	m.Set(fields.ByName("producer_id"), protoreflect.ValueOfUint64(r.id))
	m.Set(fields.ByName("sequence_id"), protoreflect.ValueOfUint64(sequence))
	id := m.Mutable(fields.ByName("message_id")).Message()
	fields = id.Descriptor().Fields()
	ledger := int64(refusedLedger)
	id.Set(fields.ByName("ledgerId"), protoreflect.ValueOfUint64(uint64(ledger)))
	id.Set(fields.ByName("entryId"), protoreflect.ValueOfUint64(0))
	r.receive.Call([]reflect.Value{receipt})
}

// refusal is why an entry was refused that is being answered.
func (p *producer) refusal(partition int32) error {
	why := refusal{bridge.ErrInvalid, "the broker refused it"}
	if r := p.u.parts.at(p, partition); r != nil {
		r.mu.Lock()
		why = r.reason
		r.mu.Unlock()
	}
	return &bridge.Error{Kind: why.kind, Detail: fmt.Sprintf("publish to %s: %s", p.spec.Topic, oneLine(why.text))}
}

// parts knows the parts of all producers by their numbers.
type parts struct {
	owing atomic.Int64 // parts that owe answers

	mu sync.RWMutex // guards by, and the list of parts of each producer
	by map[uint64]*part
}

// take makes the parts of p known, also those that it got since it was last taken.
func (s *parts) take(p *producer) error {
	list := libraryParts(p.up)
	if len(list) == 0 {
		return errOtherProducer
	}
	now := make([]*part, len(list))
	for i, up := range list {
		var err error
		if now[i], err = newPart(p, up); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[uint64]*part{}
	}
	for i, r := range now {
		if known := s.by[r.id]; known != nil {
			now[i] = known
		}
		s.by[now[i].id] = now[i]
	}
	p.parts = now
	return nil
}

// drop forgets the parts of a producer that is closed.
func (s *parts) drop(p *producer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range p.parts {
		delete(s.by, r.id)
	}
}

// connected reports that all parts of a producer are.
func (s *parts) connected(p *producer) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return !slices.ContainsFunc(p.parts, func(r *part) bool { return !r.connected() })
}

// of is the part with a number, nil if there is none known.
func (s *parts) of(id uint64) *part {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.by[id]
}

// at is a producer's part for a partition, nil if there is none known.
func (s *parts) at(p *producer, partition int32) *part {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if partition < 0 || int(partition) >= len(p.parts) {
		return nil
	}
	return p.parts[partition]
}

// part is the part with a number, nil if there is none.
func (u *Upstream) part(id uint64) *part {
	r := u.parts.of(id)
	if r != nil {
		return r
	}
	for _, c := range u.open() { // it is of a partition that was added
		if p, ok := c.(*producer); ok && p.partitioned {
			_ = u.parts.take(p) // what it cannot find is not found below
		}
	}
	return u.parts.of(id)
}

// refused implements [watcher].
func (u *Upstream) refused(producer, sequence uint64, why refusal) bool {
	r := u.part(producer)
	if r != nil {
		r.refuse(sequence, why)
	}
	return r != nil
}

// receipt implements [watcher].
func (u *Upstream) receipt(producer uint64) {
	if u.parts.owing.Load() == 0 {
		return
	}
	if r := u.part(producer); r != nil {
		r.settle()
	}
}

// batching implements [watcher].
func (u *Upstream) batching(producer uint64, m *pulsar.ProducerMessage) {
	if r := u.part(producer); r != nil && r.batch != nil {
		r.batch.before(m)
	}
}
