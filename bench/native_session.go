//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/bench/frames"
	"github.com/pulsegate/pulsegate/bench/measure"
)

// native is a producer, consumer or reader of Pulsar's Go client. A producer has a
// goroutine that sends, a receiver one that receives.
type native struct {
	f      *natives
	g      *group
	number int // in its group
	topic  int
	source measure.Source
	d      *delivery

	producer pulsar.Producer // these belong to open until that has returned
	consumer pulsar.Consumer
	reader   pulsar.Reader

	places chan struct{} // the window

	mu                    sync.Mutex // guards what follows
	counts                counts
	faults                map[string]uint64
	latOpen, latSend, lat *measure.Latency // nil: nothing since the last report
	lateness              *measure.Latency
	opened                bool
	begin, end            int64
	interval              float64
	limit, next, answered uint64
	waiting               map[uint64]int64 // when the unanswered were due
	failed                []uint64
	unanswered, unsent    uint64
	last                  measure.Sources[uint64]
	over                  bool
}

func record(to **measure.Latency, ns int64) {
	if *to == nil {
		*to = measure.NewLatency()
	}
	(*to).Record(ns)
}

func (s *native) topicName() string {
	t := &s.f.plan.Target
	return t.Domain + "://" + t.Namespace + "/" + s.f.plan.topic(s.g.Group, s.topic)
}

// open makes the client object that was to be there at the time due.
func (s *native) open(due int64) {
	err := s.connect()
	if err != nil {
		err = fmt.Errorf("no %s by a connection to %s: %w", s.g.Kind, s.f.plan.Target.URL, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.counts[openFailed]++
		s.g.failed.Add(1)
		s.faults[err.Error()]++
		return
	}
	s.opened = true
	s.counts[opened]++
	s.g.opened.Add(1)
	record(&s.latOpen, s.f.clock()-due)
	if s.d != nil {
		s.d.mu.Lock()
		s.d.opened = true
		s.d.mu.Unlock()
		s.f.goroutines.Go(s.receive)
	}
}

func (s *native) connect() (err error) {
	q := s.g.Params
	size, _ := strconv.Atoi(q.Get("receiverQueueSize")) // 0: the client's default
	switch s.g.Kind {
	case Producer:
		batch, _ := strconv.ParseUint(q.Get("batchingMaxMessages"), 10, 32)
		delay, _ := strconv.Atoi(q.Get("batchingMaxPublishDelay"))
		s.producer, err = s.f.client.CreateProducer(pulsar.ProducerOptions{
			Topic: s.topicName(), DisableBatching: q.Get("batchingEnabled") != "true", MaxPendingMessages: max(s.f.plan.Window, 1),
			BatchingMaxMessages: uint(batch), BatchingMaxPublishDelay: time.Duration(delay) * time.Millisecond,
			CompressionType: compressions[q.Get("compressionType")],
		})
	case Consumer:
		position := pulsar.SubscriptionPositionLatest
		if q.Get("subscriptionInitialPosition") == "Earliest" {
			position = pulsar.SubscriptionPositionEarliest
		}
		s.consumer, err = s.f.client.Subscribe(pulsar.ConsumerOptions{
			Topic: s.topicName(), SubscriptionName: s.g.subscription(s.number, s.f.plan.Topics), Type: subscriptionTypes[q.Get("subscriptionType")],
			SubscriptionInitialPosition: position, ReceiverQueueSize: size,
		})
	case Reader:
		from := pulsar.LatestMessageID()
		if q.Get("messageId") == "earliest" {
			from = pulsar.EarliestMessageID()
		}
		s.reader, err = s.f.client.CreateReader(pulsar.ReaderOptions{Topic: s.topicName(), StartMessageID: from, ReceiverQueueSize: size})
	}
	return err
}

var compressions = map[string]pulsar.CompressionType{
	"": pulsar.NoCompression, "NONE": pulsar.NoCompression, "LZ4": pulsar.LZ4, "ZLIB": pulsar.ZLib, "ZSTD": pulsar.ZSTD, "SNAPPY": pulsar.SNAPPY,
}

var subscriptionTypes = map[string]pulsar.SubscriptionType{
	"": pulsar.Exclusive, "Exclusive": pulsar.Exclusive, "Shared": pulsar.Shared, "Failover": pulsar.Failover, "Key_Shared": pulsar.KeyShared,
}

// start begins to send, as a [producer] does.
func (s *native) start(begin int64, interval float64, limit uint64) {
	s.places = make(chan struct{}, s.f.plan.Window)
	s.mu.Lock()
	s.begin, s.interval, s.limit, s.waiting = begin, interval, limit, map[uint64]int64{}
	s.mu.Unlock()
	s.f.goroutines.Go(s.send)
}

func (s *native) send() {
	for s.limit == 0 || s.next < s.limit { // only this goroutine changes next
		if s.interval > 0 {
			due := s.begin + int64(float64(s.next)*s.interval)
			if !s.f.sleepUntil(due) {
				return
			}
			s.mu.Lock()
			record(&s.lateness, s.f.clock()-due)
			s.mu.Unlock()
		} else if !s.f.sleepUntil(s.begin) {
			return
		}
		select {
		case s.places <- struct{}{}:
		case <-s.f.ctx.Done():
			return
		}
		stamp, ok := s.take()
		if !ok {
			return
		}
		payload, key, properties := s.f.raw.Message(stamp)
		s.producer.SendAsync(s.f.ctx, &pulsar.ProducerMessage{Payload: payload, Key: key, Properties: properties},
			func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, err error) { s.answer(stamp.Seq, err) })
	}
}

// take is the next message's stamp. It reports false when none is due any more.
func (s *native) take() (frames.Stamp, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.f.clock()
	if s.interval > 0 {
		at = s.begin + int64(float64(s.next)*s.interval)
	}
	if s.over || s.end > 0 && at >= s.end {
		return frames.Stamp{}, false
	}
	stamp := frames.Stamp{Source: s.source, Seq: s.next, At: at}
	s.waiting[s.next] = at
	s.next++
	s.counts[sent]++
	return stamp, true
}

// inWindow reports whether what was due at the time belongs to the measurement.
func (f *natives) inWindow(at int64) bool { return at >= f.from.Load() && at < f.to.Load() }

func (s *native) answer(seq uint64, err error) {
	now := s.f.clock()
	<-s.places
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.waiting[seq]
	switch {
	case s.over:
		return
	case !ok:
		s.counts[strayReplies]++
		return
	}
	delete(s.waiting, seq)
	if seq < s.answered {
		s.counts[lateReplies]++
	} else {
		s.answered = seq + 1
	}
	if err != nil {
		s.counts[sendErrors]++
		s.failed = append(s.failed, seq)
		s.faults["not published: "+err.Error()]++
		return
	}
	s.counts[confirmed]++
	s.counts[expected] += s.f.perTopic[s.topic]
	if s.f.inWindow(at) {
		record(&s.latSend, now-at)
	}
}

func (s *native) receive() {
	for {
		m, err := s.nextMessage()
		if err != nil {
			if s.f.ctx.Err() == nil && !errors.Is(err, context.Canceled) {
				s.mu.Lock()
				s.counts[dropped]++
				s.faults[fmt.Sprintf("session dropped: %v", err)]++
				s.mu.Unlock()
			}
			return
		}
		s.message(m)
		if s.consumer != nil && !s.g.NoAck {
			_ = s.consumer.Ack(m) // what is not acknowledged comes again, and is counted then
		}
	}
}

func (s *native) nextMessage() (pulsar.Message, error) {
	if s.reader != nil {
		return s.reader.Next(s.f.ctx)
	}
	return s.consumer.Receive(s.f.ctx)
}

func (s *native) message(m pulsar.Message) {
	now := s.f.clock()
	stamp, stamped := frames.ReadStamp(m.Payload(), m.Properties()[frames.Property])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[received]++
	if m.RedeliveryCount() > 0 {
		s.counts[redelivered]++
	}
	if !stamped {
		s.counts[foreign]++
		return
	}
	if !s.d.saw(&stamp, true) {
		s.counts[repeated]++
		return
	}
	if !s.d.loose {
		s.counts[delivered]++
	}
	if last := s.last.Get(stamp.Source); stamp.Seq < *last {
		s.counts[reordered]++
	} else {
		*last = stamp.Seq + 1
	}
	if !s.d.loose && s.f.inWindow(stamp.At) {
		record(&s.lat, now-stamp.At)
	}
}

// backlog is what is due and not sent. The caller holds mu.
func (s *native) backlog() uint64 {
	until := s.f.clock()
	if s.end > 0 {
		until = min(until, s.end-1)
	}
	if s.interval == 0 || until < s.begin || s.over {
		return 0
	}
	due := uint64(float64(until-s.begin)/s.interval) + 1
	if s.limit > 0 {
		due = min(due, s.limit)
	}
	return due - min(due, s.next)
}

// busy: something is not answered or sent. The caller holds mu.
func (s *native) busy() bool { return !s.over && (len(s.waiting) > 0 || s.backlog() > 0) }

func (s *native) giveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.f.clock()
	for seq, at := range s.waiting {
		s.unanswered++
		s.failed = append(s.failed, seq)
		if s.f.inWindow(at) {
			record(&s.latSend, now-at)
		}
	}
	s.unsent = s.backlog()
	for i := range s.unsent {
		if at := s.begin + int64(float64(s.next+i)*s.interval); s.f.inWindow(at) {
			record(&s.latSend, now-at)
		}
	}
	s.over, s.waiting = true, nil
}

// report adds what was counted to sum. Latencies begin anew.
func (s *native) report(sum *report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum.Counts.add(&s.counts)
	sum.Backlog += s.backlog()
	sum.Unanswered += s.unanswered
	sum.Unsent += s.unsent
	if s.opened {
		sum.Open++
	}
	for text, n := range s.faults {
		sum.Faults[text] += n
	}
	for _, l := range []struct {
		from **measure.Latency
		to   *measure.Latency
	}{{&s.latOpen, sum.OpenLatency}, {&s.latSend, sum.Publish}, {&s.lat, sum.EndToEnd}, {&s.lateness, sum.Lateness}} {
		if *l.from != nil {
			l.to.Add(*l.from)
			*l.from = nil
		}
	}
}

func (s *native) close() {
	switch {
	case !s.opened: // the client's constructors return more than nil with an error
	case s.producer != nil:
		s.producer.Close()
	case s.consumer != nil:
		s.consumer.Close()
	case s.reader != nil:
		s.reader.Close()
	}
}
