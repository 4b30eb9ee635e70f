package read

import (
	"context"
	"sync"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/pool"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/latency"
	"github.com/pulsegate/pulsegate/memory"
)

// tailPermits is how many messages a stream's upstream reader may have under way
// when messages are small, firstPermits how many while their size is not known.
const (
	tailPermits  = 256
	firstPermits = 16
)

// stream is one upstream reader, the encoded frames it delivered last, and the
// sessions that are cursors into them. There are two kinds, which differ in where the reader
// begins, how fast it goes and which frames it keeps: the [tail], at the end of
// the topic, and the [catchUp], which began in the past.
//
// Everything below mu is guarded by mu.
//
// Pace: every frame wakes the sessions that wait for one. What is under way
// must fit the ring; how far it goes ahead of its sessions is for its kind to say.
type stream struct {
	readers *Readers
	key     tailKey
	kind    streamKind
	id      [1]uint64 // see [pool.Keeper.ID], constant

	opened chan struct{} // closed once what follows is set
	up     bridge.Reader // nil: see err
	err    error

	lease pool.Lease // guarded by readers.mu

	mu       sync.Mutex
	members  map[*cursor]struct{}
	ring     ring
	arrival  latency.Arrival
	parked   []*cursor // at the end; woken by the next frame
	unserved int       // sessions woken by a frame that have not run since
	live     bool      // up may be granted permits
	granted  int       // permits the upstream holds
	lost     error     // why the upstream ended for good
}

// streamKind is what makes a stream a [tail] or a [catchUp]. The mutex of [Readers] is held for
// findable and retire, the stream's for all but open and count.
type streamKind interface {
	// open opens the upstream reader and sets up, unless it fails.
	open(ctx context.Context) error
	// count follows the number of streams of the kind.
	count(n int64)

	// findable reports that a session to come may get the stream.
	findable() bool
	// retire makes it unfindable, and returns those that are only findable through it.
	retire() []*catchUp
	// worthKeeping reports that the stream still has what a session to come would want.
	worthKeeping() bool

	// bound is how many bytes of frames the ring is to hold, of so many that a tail's may.
	bound(tail int) int
	// arrived counts a frame that is about to be in the ring, and returns how many of the
	// old ones may go for it.
	arrived(f *frame) (droppable int)
	// dropped counts the oldest frames, which have gone.
	dropped(frames, bytes int)
	// mayFetch reports that the upstream may be granted permits.
	mayFetch() bool
	// taken counts the frames that a session has passed, from one sequence number to
	// before another, and returns permits to be granted.
	taken(from, to uint64) (grant int)
	// closed says that nothing comes any more.
	closed()
}

// begin opens a stream on a goroutine of its own, which may be done before begin returns. The mutex of rs is held.
func (t *stream) begin(rs *Readers, key tailKey, kind streamKind) {
	t.readers, t.key, t.kind, t.id[0] = rs, key, kind, rs.pool.ID()
	t.opened = make(chan struct{})
	t.members = map[*cursor]struct{}{}
	rs.pool.Go(t.create)
}

func (t *stream) create() {
	rs := t.readers
	ctx, stop := rs.pool.Limited()
	defer stop()
	t.err = t.kind.open(ctx)
	if t.up == nil {
		t.unpool()
		close(t.opened)
		return
	}
	rs.upstream.Add(1)
	t.kind.count(1)
	close(t.opened)
	t.mu.Lock()
	t.live = true
	grant := t.topUp()
	t.mu.Unlock()
	t.permit(grant)
}

// await returns when the upstream reader is open, or why it is not.
func (t *stream) await(ctx context.Context) error {
	select {
	case <-t.opened:
		return t.err
	case <-ctx.Done():
		return pool.OpenError(ctx, "opening a reader of "+t.key.topic)
	}
}

// unpool makes the stream unfindable.
func (t *stream) unpool() {
	t.readers.mu.Lock()
	t.kind.retire()
	t.readers.mu.Unlock()
}

// release counts one session less; the stream lingers after its last one, unless
// it has let go what a new session would want.
func (t *stream) release() {
	rs := t.readers
	t.mu.Lock()
	keep := t.kind.worthKeeping()
	t.mu.Unlock()
	rs.mu.Lock()
	now := t.lease.Give(rs.pool.LingerOf(keep && t.kind.findable()), t.expire)
	rs.mu.Unlock()
	if now {
		t.expire()
	}
}

// expire closes the upstream reader if no session came back meanwhile.
func (t *stream) expire() {
	rs := t.readers
	rs.mu.Lock()
	over := t.lease.End()
	var also []*catchUp
	if over {
		also = t.kind.retire()
	}
	rs.mu.Unlock()
	if !over {
		return
	}
	for _, g := range also { // which linger
		g.expire()
	}
	rs.pool.Go(func() {
		<-t.opened
		if t.up == nil {
			return
		}
		t.up.Close()
		rs.upstream.Add(-1)
		t.kind.count(-1)
		t.mu.Lock()
		t.kind.closed()
		t.holdBytes(-t.ring.bytes)
		t.ring.frames, t.ring.bytes = nil, 0
		t.mu.Unlock()
	})
}

// Deliver encodes one message and wakes who waits for it: [bridge.Receiver].
func (t *stream) Deliver(m *codec.Message) {
	encoded := ws.BuildFrame(func(dst []byte) []byte {
		return codec.AppendMessage(dst, m, codec.Format{LegacyTime: t.key.legacyTime})
	})
	t.mu.Lock()
	t.granted--
	var woken []*cursor
	if !t.key.persistent() || t.ring.endsBefore(&m.ID) {
		f := frame{id: m.ID, ws: encoded, payload: int32(len(m.Payload)), came: t.arrival.Now()}
		if !m.PublishTime.IsZero() {
			f.published = m.PublishTime.UnixMilli()
		}
		t.push(f)
		woken, t.parked = t.parked, nil
		t.unserved += len(woken)
		for _, p := range woken {
			p.parked, p.woken = false, true
		}
	}
	grant := t.topUp()
	t.mu.Unlock()
	for _, p := range woken {
		p.s.out.Wake()
	}
	t.permit(grant)
}

// push adds a frame and lets the oldest go. mu is held.
func (t *stream) push(f frame) {
	droppable := t.kind.arrived(&f)
	t.ring.push(f)
	t.holdBytes(f.ws.Len())
	t.drop(t.ring.over(t.bytesBound(), droppable))
}

// drop lets the oldest frames go. mu is held.
func (t *stream) drop(n int) {
	bytes := t.ring.drop(n)
	t.holdBytes(-bytes)
	t.kind.dropped(n, bytes)
}

// holdBytes counts n bytes more, or less, in the ring.
func (t *stream) holdBytes(n int) {
	t.readers.tailBytes.Add(int64(n))
	t.readers.memory.Take(memory.Tails, n)
}

// bytesBound is how many bytes of frames the ring is to hold now.
func (t *stream) bytesBound() int {
	return min(t.kind.bound(t.readers.limits.Now().TailBytes), t.readers.memory.Allowance())
}

// topUp returns how many permits the upstream gets now. mu is held.
func (t *stream) topUp() int {
	if !t.live || !t.kind.mayFetch() {
		return 0
	}
	target := firstPermits
	if n := len(t.ring.frames); n > 0 {
		target = tailPermits
		// What is under way must fit the ring, or it would push out what nobody has seen.
		target = max(1, min(target, t.bytesBound()/4/max(1, t.ring.bytes/n)))
	}
	if t.granted > target/2 {
		return 0
	}
	grant := target - t.granted
	t.granted = target
	return grant
}

// permit grants what a step has decided. No lock of a stream may be held.
func (t *stream) permit(grant int) {
	if grant > 0 {
		t.up.Permit(grant)
	}
}

// Lost ends all sessions: [bridge.Receiver].
func (t *stream) Lost(err error) {
	t.unpool()
	t.mu.Lock()
	t.lost = err
	all := make([]*cursor, 0, len(t.members))
	for p := range t.members {
		all = append(all, p)
	}
	t.mu.Unlock()
	for _, p := range all {
		p.s.out.End(bridge.CodeOf(err), err.Error())
	}
}
