package pulsar

import (
	"context"
	"sync"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// keepProbe is how long a topic's probe is kept after it was last used.
const keepProbe = 10 * time.Second

// lastPositions answers what the last message of a topic is. The client
// library asks a broker only through a consumer or reader, so one reader with
// a queue of one is kept for each topic that was asked for lately.
type lastPositions struct {
	u *Upstream

	mu     sync.Mutex
	probes map[string]*probe // by concrete topic
	closed bool
}

// probe is a reader that never reads. mu is held while one request runs.
type probe struct {
	mu   sync.Mutex
	up   pulsar.Reader
	used time.Time // guarded by lastPositions.mu
}

func newLastPositions(u *Upstream) *lastPositions {
	return &lastPositions{u: u, probes: map[string]*probe{}}
}

// LastPosition implements [bridge.Upstream].
func (u *Upstream) LastPosition(ctx context.Context, topic string) ([]codec.MessageID, error) {
	topics, err := u.partitions(ctx, topic)
	if err != nil {
		return nil, err
	}
	out := make([]codec.MessageID, len(topics))
	for i, t := range topics {
		_, partition := partitionOf(t)
		if !persistent(t) {
			out[i] = codec.MessageID{LedgerID: -1, EntryID: -1, Partition: partition, BatchIndex: -1}
			continue
		}
		id, err := u.last.of(ctx, t)
		if err != nil {
			return nil, err
		}
		out[i] = lastOfTopic(id, partition)
	}
	return out, nil
}

func (l *lastPositions) of(ctx context.Context, topic string) (pulsar.MessageID, error) {
	p, err := l.probe(topic)
	if err != nil {
		return nil, err
	}
	return attempt(ctx, l.u, "find the end of "+topic, func() (pulsar.MessageID, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.up != nil {
			if id, err := p.up.GetLastMessageID(); err == nil {
				return id, nil
			}
			// It may be in the middle of a reconnect, or have given up.
			p.up.Close()
			p.up = nil
		}
		up, err := l.u.client.CreateReader(pulsar.ReaderOptions{
			Topic: topic, StartMessageID: pulsar.LatestMessageID(), ReceiverQueueSize: 1, Name: "pulsegate-probe",
			Decryption: l.u.readerDecryption(bridge.CryptoFail),
		})
		if err != nil {
			return nil, err
		}
		id, err := up.GetLastMessageID()
		if err != nil || !l.keeps(topic, p) {
			up.Close()
			return id, err
		}
		p.up = up
		return id, nil
	}, func(pulsar.MessageID) {})
}

func (l *lastPositions) probe(topic string) (*probe, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	p := l.probes[topic]
	if p == nil {
		p = &probe{}
		l.probes[topic] = p
	}
	p.used = time.Now()
	return p, nil
}

// keeps reports that the probe is still listed, so that it will be closed some day.
func (l *lastPositions) keeps(topic string, p *probe) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.probes[topic] == p
}

// expire closes probes that were not used for a while.
func (l *lastPositions) expire(now time.Time) {
	l.mu.Lock()
	var old []*probe
	for topic, p := range l.probes {
		if now.Sub(p.used) > keepProbe {
			old = append(old, p)
			delete(l.probes, topic)
		}
	}
	l.mu.Unlock()
	for _, p := range old {
		l.u.always(p.close)
	}
}

func (l *lastPositions) close() {
	l.mu.Lock()
	probes := l.probes
	l.probes, l.closed = nil, true
	l.mu.Unlock()
	var closing sync.WaitGroup
	for _, p := range probes {
		closing.Go(p.close)
	}
	closing.Wait()
}

func (p *probe) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.up != nil {
		p.up.Close()
		p.up = nil
	}
}
