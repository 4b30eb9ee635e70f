package bridge

import (
	"slices"
	"strings"
	"sync"

	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/memory"
)

// tailPermits is how many messages a tail's upstream reader may have under way
// when messages are small, firstPermits how many while their size is not known.
const (
	tailPermits  = 256
	firstPermits = 16
)

// tailKey is what sessions must have in common to share a tail.
type tailKey struct {
	topic      string
	legacyTime bool
	crypto     CryptoFailureAction
}

// tail is one upstream reader at the end of a topic, the encoded frames it
// delivered last, and the sessions that are cursors into them.
//
// Frames have consecutive sequence numbers; ring holds those from first on, at
// most Options.TailBytes of them. A cursor behind first has fallen out and its
// session reads on in a [backlog].
//
// Everything below mu is guarded by mu, which may be taken while a session's mutex is held, never the
// other way round.
//
// Pace: every frame wakes the sessions that wait for one. While some of them have
// not run since and half a ring has come meanwhile, the upstream gets no more
// permits: it is this process that is slow then, not a client. A client that
// does not read delays nobody, since its session does run, finds no room, and
// falls out of the ring later.
type tail struct {
	b   *Bridge
	key tailKey

	opened     chan struct{}   // closed once what follows is set
	up         Reader          // nil: err, or the topic is partitioned
	partitions int             // of a topic that has partitions
	origin     codec.MessageID // the topic's last message just after up was opened
	err        error

	lease lease // guarded by b.mu

	last query[codec.MessageID] // of the topic

	specs sync.Map // ReaderSpec -> *ReaderSpec, see commonSpec

	backlogs []*tail  // of sessions that are behind; guarded by b.mu
	backlog  *backlog // nil: this is the end of the topic

	mu       sync.Mutex
	members  map[*place]struct{}
	ring     []tailFrame
	first    uint64
	bytes    int
	parked   []*place // at the end; woken by the next frame
	unserved int      // sessions woken by a frame that have not run since
	since    int      // bytes that came since unserved was 0
	live     bool     // up may be granted permits
	granted  int      // permits the upstream holds
	lost     error    // why the upstream ended for good
}

// tailFrame is one message, encoded.
type tailFrame struct {
	id      codec.MessageID
	frame   *ws.Frame
	payload int   // bytes, for the statistics
	left    int32 // in a backlog: members that have not taken it
}

// ordered reports that the topic's message ids are positions that only grow.
// Ids of non-persistent topics say nothing.
func (t *tail) ordered() bool { return strings.HasPrefix(t.key.topic, "persistent://") }

// count follows the number of topics' tails, which backlogs are none of.
func (t *tail) count(n int64) {
	if t.backlog == nil {
		t.b.stats.tails.Add(n)
	}
}

func (t *tail) unpool() {
	t.b.mu.Lock()
	t.hide()
	t.b.mu.Unlock()
}

// hide is unpool for a caller that holds the bridge's mutex.
func (t *tail) hide() {
	if g := t.backlog; g != nil {
		g.main.backlogs = slices.DeleteFunc(g.main.backlogs, func(o *tail) bool { return o == t })
	} else if t.b.tails[t.key] == t {
		delete(t.b.tails, t.key)
	}
}

// findable reports that a session to come may get the tail. Called with the
// bridge's mutex held.
func (t *tail) findable() bool {
	if g := t.backlog; g != nil {
		return slices.Contains(g.main.backlogs, t) && g.main.findable()
	}
	return t.b.tails[t.key] == t
}

// release counts one session less; the tail lingers after its last one, unless
// it is a backlog that has let go what a new session would want.
func (t *tail) release() {
	b := t.b
	t.mu.Lock()
	useful := t.backlog == nil || t.first == 0
	t.mu.Unlock()
	b.mu.Lock()
	now := t.lease.give(b.lingerOf(useful && t.findable()), t.expire)
	b.mu.Unlock()
	if now {
		t.expire()
	}
}

// expire closes the upstream reader if no session came back meanwhile.
func (t *tail) expire() {
	b := t.b
	b.mu.Lock()
	over := t.lease.end()
	var backlogs []*tail
	if over {
		t.hide()
		backlogs = slices.Clone(t.backlogs)
	}
	b.mu.Unlock()
	if !over {
		return
	}
	for _, g := range backlogs { // which linger
		g.expire()
	}
	b.goClose(func() {
		<-t.opened
		if t.up == nil {
			return
		}
		t.up.Close()
		b.stats.upstreamReaders.Add(-1)
		t.count(-1)
		t.mu.Lock()
		if t.backlog != nil && t.backlog.stall != nil {
			t.backlog.stall.Stop()
		}
		t.holdBytes(-t.bytes)
		t.ring, t.bytes = nil, 0
		t.mu.Unlock()
	})
}

// Deliver encodes one message and wakes who waits for it: [Receiver].
func (t *tail) Deliver(m *codec.Message) {
	frame := ws.BuildFrame(func(dst []byte) []byte {
		return codec.AppendMessage(dst, m, codec.Format{LegacyTime: t.key.legacyTime})
	})
	t.mu.Lock()
	t.granted--
	if n := len(t.ring); n == 0 || !t.ordered() || isAfter(&m.ID, &t.ring[n-1].id) {
		t.append(tailFrame{id: m.ID, frame: frame, payload: len(m.Payload)})
		woken := t.parked
		t.parked = nil
		t.unserved += len(woken)
		for _, p := range woken {
			p.parked, p.woken = false, true
			p.s.out.Wake()
		}
	}
	grant := t.topUp()
	t.mu.Unlock()
	if grant > 0 {
		t.up.Permit(grant)
	}
}

// append adds a frame and lets the oldest go. Called with mu held.
func (t *tail) append(f tailFrame) {
	most := len(t.ring) // of the old frames, so many may go
	if g := t.backlog; g != nil {
		f.left = int32(g.cursors)
		most = min(most, g.held)
	}
	t.ring = append(t.ring, f)
	size := f.frame.Len()
	t.since += size
	t.bytes += size
	t.holdBytes(size)
	drop := 0
	for rest := t.bytes; rest > t.bytesBound() && drop < most; drop++ {
		rest -= t.ring[drop].frame.Len()
	}
	t.dropOldest(drop)
}

// dropOldest lets the first n frames go, which in a backlog all have taken.
// Called with mu held.
func (t *tail) dropOldest(n int) {
	size := 0
	for i := range t.ring[:n] {
		size += t.ring[i].frame.Len()
		t.ring[i] = tailFrame{}
	}
	t.ring = t.ring[n:]
	t.first += uint64(n)
	t.bytes -= size
	if g := t.backlog; g != nil {
		g.held -= n
		g.passed -= size
	}
	t.holdBytes(-size)
}

// holdBytes counts n bytes more, or less, in the ring.
func (t *tail) holdBytes(n int) {
	t.b.stats.tailSize.Add(int64(n))
	t.b.opts.Memory.Take(memory.Tails, n)
}

// topUp returns how many permits the upstream gets now. Called with mu held.
func (t *tail) topUp() int {
	switch {
	case !t.live || t.backlog != nil && !t.backlogRoom():
		return 0
	case t.unserved == 0:
		t.since = 0
	case t.backlog == nil && t.since > t.bytesBound()/2:
		return 0
	}
	target := firstPermits
	if n := len(t.ring); n > 0 {
		target = tailPermits
		// What is under way must fit the ring, or it would push out what nobody has seen.
		target = max(1, min(target, t.bytesBound()/4/max(1, t.bytes/n)))
	}
	if t.granted > target/2 {
		return 0
	}
	grant := target - t.granted
	t.granted = target
	return grant
}

// Lost ends all sessions: [Receiver].
func (t *tail) Lost(err error) {
	t.unpool()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost = err
	for p := range t.members {
		p.s.out.End(codec.CodeUnknown, err.Error())
	}
}

// commonSpec is what of a session's spec counts after it has begun. Sessions
// that ask for the same have the same, unless they have names, of which there
// may be very many.
func (t *tail) commonSpec(spec *ReaderSpec) *ReaderSpec {
	s := *spec
	s.Topic, s.Start, s.Position, s.Inclusive = t.key.topic, StartLatest, codec.MessageID{}, false
	if s.Name != "" {
		return &s
	}
	common, _ := t.specs.LoadOrStore(s, &s)
	return common.(*ReaderSpec)
}

// enter lets p's session hear of the end of the tail, unless that has come.
func (t *tail) enter(p *place) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost == nil {
		t.members[p] = struct{}{}
	}
	return t.lost
}

// exit forgets p.
func (t *tail) exit(p *place) {
	t.mu.Lock()
	delete(t.members, p)
	grant := t.served(p)
	if p.parked {
		p.parked = false
		n := len(t.parked) - 1
		last := t.parked[n]
		t.parked[p.parkedAt], last.parkedAt = last, p.parkedAt
		t.parked[n] = nil
		t.parked = t.parked[:n]
	}
	t.mu.Unlock()
	if grant > 0 {
		t.up.Permit(grant)
	}
}

// served notes that p's session runs. Called with mu held; the caller grants what it returns.
func (t *tail) served(p *place) (grant int) {
	if !p.woken {
		return 0
	}
	p.woken = false
	t.unserved--
	if t.unserved > 0 {
		return 0
	}
	return t.topUp()
}

// isAfter reports that a comes after b on its topic. A position without a
// batch index stands for its whole entry.
func isAfter(a, b *codec.MessageID) bool {
	switch {
	case a.LedgerID != b.LedgerID:
		return a.LedgerID > b.LedgerID
	case a.EntryID != b.EntryID:
		return a.EntryID > b.EntryID
	case a.BatchIndex < 0 || b.BatchIndex < 0:
		return false
	}
	return a.BatchIndex > b.BatchIndex
}
