package read

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// tailKey is what sessions must have in common to share a tail.
type tailKey struct {
	topic      string
	principal  string
	legacyTime bool
	crypto     bridge.CryptoFailureAction
}

// persistent reports that the topic's message ids are positions that only grow.
// Ids of non-persistent topics say nothing.
func (k *tailKey) persistent() bool { return names.Persistent(k.topic) }

// tail is the [stream] at the end of a topic. Its ring holds at most
// Limits.TailBytes. A cursor behind the ring has fallen out, and its
// session reads on in a [catchUp].
//
// Pace: messages come as they are published. While some sessions have
// not run since they were woken and half a ring has come meanwhile, the upstream gets no more
// permits: it is this process that is slow then, not a client. A client that
// does not read delays nobody, since its session does run, finds no room, and
// falls out of the ring later.
type tail struct {
	stream

	// Set before opened is closed.
	partitions int             // of a topic that has partitions, for which there is no tail
	origin     codec.MessageID // the topic's last message just after the reader was opened

	last  query[codec.MessageID] // of the topic
	specs sync.Map               // ReaderSpec -> *ReaderSpec, see commonSpec

	catchUps []*catchUp // of sessions that are behind; guarded by readers.mu

	// Guarded by mu.
	since       int      // bytes that came since unserved was 0
	lookUps     *lookUps // nil: there was none
	originAsked bool     // see learnOrigin
	originAt    int64    // when origin was published, in ms since 1970; 0: not known
}

// tailFor returns the topic's tail with one more session counted, creating it
// if there is none. It is to be waited for with await.
func (rs *Readers) tailFor(key tailKey) *tail {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	t := rs.tails[key]
	if t == nil {
		t = &tail{}
		t.last.what, t.last.ask = "the end of "+key.topic, t.lastPosition
		rs.tails[key] = t
		t.begin(rs, key, t)
	}
	t.lease.Take()
	return t
}

// lastPosition asks for the end of the topic. The tail is open.
func (t *tail) lastPosition(ctx context.Context) (codec.MessageID, error) {
	ids, err := t.up.LastPosition(ctx)
	if err == nil && len(ids) != 1 {
		err = &bridge.Error{Kind: bridge.ErrUnavailable, Detail: "the topic " + t.key.topic + " has been deleted and created again"}
	}
	if err != nil {
		return codec.MessageID{}, err
	}
	return ids[0], nil
}

// open implements [streamKind]. On a topic with partitions it sets their number: there are tails for them.
func (t *tail) open(ctx context.Context) error {
	rs := t.readers
	release, err := t.slot(ctx)
	if err != nil {
		return err
	}
	defer release()
	if t.key.persistent() {
		if t.partitions, err = rs.up.Partitions(ctx, t.key.topic, t.key.principal); err != nil || t.partitions > 0 {
			return err
		}
	}
	spec := bridge.ReaderSpec{Topic: t.key.topic, Principal: t.key.principal, Start: bridge.StartLatest, Queue: tailPermits, CryptoFailure: t.key.crypto}
	if t.up, err = rs.up.OpenReader(ctx, spec, t); err != nil || !t.key.persistent() {
		return err
	}
	// What was published before the reader was open is not in the ring.
	if t.origin, err = t.lastPosition(ctx); err != nil {
		t.up.Close()
		t.up = nil
	}
	return err
}

// slot waits for one of the slots of the creations under way.
func (t *stream) slot(ctx context.Context) (release func(), err error) {
	whole, _ := names.SplitPartition(t.key.topic)
	return t.readers.pool.Slot(ctx, whole)
}

func (t *tail) count(n int64) { t.readers.openTails.Add(n) }

func (t *tail) findable() bool { return t.readers.tails[t.key] == t }

func (t *tail) retire() []*catchUp {
	if t.findable() {
		delete(t.readers.tails, t.key)
	}
	return slices.Clone(t.catchUps)
}

func (t *tail) worthKeeping() bool { return true }
func (t *tail) bound(tail int) int { return tail }

func (t *tail) arrived(f *frame) (droppable int) {
	t.since += f.ws.Len()
	return len(t.ring.frames)
}

func (t *tail) dropped(int, int) {}

func (t *tail) mayFetch() bool {
	if t.unserved == 0 {
		t.since = 0
	}
	return t.since <= t.bytesBound()/2
}

func (t *tail) taken(uint64, uint64) (grant int) { return 0 }
func (t *tail) closed()                          {}

// seek places c behind the session's last message, at, or if that is not known
// at the topic's beginning, and reports whether the ring holds, or will hold,
// everything after it.
func (t *tail) seek(c *spot, at codec.Position, known bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.ring
	if n := uint64(len(r.frames)); n > 0 && known && !r.frames[0].id.Position().After(at) {
		next := r.after(at)
		if r.first > 0 && r.end()-next > n/2+1 {
			return false // it would fall out again before it had read much
		}
		*c = spot{in: &t.stream, skip: true, next: next}
		return true
	}
	// Everything after origin is in the ring if nothing has fallen out of it.
	if r.first > 0 {
		return false
	}
	if t.origin.EntryID >= 0 && (!known || !at.Covers(t.origin.Position())) {
		return false
	}
	*c = spot{in: &t.stream, skip: known}
	if known {
		c.next = r.after(at)
	}
	return true
}

// clockSlack is how far clocks of producers may be off: what comes before a message that is older by more than that, is older, too.
const clockSlack = 10 * time.Second

// seekTime places c at the first message that was published at a time or later, and reports whether the ring holds, or will
// hold, all of those.
func (t *tail) seekTime(c *spot, at int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.holdsSince(at) {
		return false
	}
	r := &t.ring
	n := uint64(len(r.frames))
	next := r.since(at)
	if r.first > 0 && r.end()-next > n/2+1 {
		return false // it would fall out again before it had read much
	}
	*c = spot{in: &t.stream, next: next}
	return true
}

// holdsSince reports that the ring has, or will have, all that was published at a time or later: all that the topic has, or something
// that is clearly older, or what follows that. mu is held.
func (t *tail) holdsSince(at int64) bool {
	older := func(ms int64) bool { return ms > 0 && ms < at-clockSlack.Milliseconds() }
	if t.ring.first == 0 && (t.origin.EntryID < 0 || older(t.originAt)) {
		return true
	}
	return len(t.ring.frames) > 0 && older(t.ring.frames[0].published)
}

// published tells when the message at a position was published, if that is in the ring.
func (t *tail) published(at codec.Position) (ms int64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := t.ring.after(at)
	if next == t.ring.first {
		return 0, false
	}
	f := t.ring.at(next - 1)
	return f.published, f.id.Position() == at && f.published > 0
}

// reaches reports that the tail knows of a message at or after at.
func (t *tail) reaches(at codec.Position) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.ring.frames); n > 0 && !at.After(t.ring.frames[n-1].id.Position()) {
		return true
	}
	return t.origin.EntryID >= 0 && !at.After(t.origin.Position())
}

// edge is the sequence number of the next frame to come.
func (t *tail) edge() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ring.end()
}

// join places c at the end of the topic, where end is its last message and the
// session's, if it is known. If it is not, c begins at edge, which was the tail's
// before the topic was asked: that was empty then, or the broker had deleted
// everything, also what the ring may still hold; or its ids say nothing.
func (t *tail) join(c *spot, end *codec.MessageID, known bool, edge uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*c = spot{in: &t.stream, skip: known, next: edge}
	if known {
		c.next = t.ring.after(end.Position())
	}
}

// commonSpec is what of a session's spec counts after it has begun. Sessions
// that ask for the same have the same, unless they have names, of which there
// may be very many.
func (t *tail) commonSpec(spec *bridge.ReaderSpec) *bridge.ReaderSpec {
	s := *spec
	s.Topic, s.Start, s.Position, s.Inclusive, s.Since = t.key.topic, bridge.StartLatest, codec.MessageID{}, false, 0
	if s.Name != "" {
		return &s
	}
	common, _ := t.specs.LoadOrStore(s, &s)
	return common.(*bridge.ReaderSpec)
}
