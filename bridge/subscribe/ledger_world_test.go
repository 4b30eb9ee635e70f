package subscribe

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/memory"
)

// world is a ledger with its surroundings, which carry out what it decides: a
// broker that keeps to its permits, and clients. Bytes say what happens next.
type world struct {
	t       *testing.T
	script  []byte
	budget  *memory.Budget
	unacked atomic.Int64
	full    bridge.FullWindows
	l       *ledger
	now     time.Duration
	over    bool

	feeds   []*feed
	permits map[*feed]int
	next    int64
	size    map[int64]int
	acked   map[int64]bool
	back    map[int64]bool // asked for again, not delivered since
	written map[int64]bool // a client has had it
	clients []*ledgerClient
	leaving int // detached, and not counted less yet
	coming  int // counted, and not attached yet
}

// ledgerClient is a session with what it knows.
type ledgerClient struct {
	member
	woken bool // since it last found its queue empty
	seen  []int64
}

func newWorld(t *testing.T, script []byte) *world {
	w := &world{
		t: t, script: script, budget: memory.New(1 << 20), now: time.Second,
		permits: map[*feed]int{}, size: map[int64]int{}, acked: map[int64]bool{}, back: map[int64]bool{}, written: map[int64]bool{},
	}
	solo := w.choose(4) == 0
	w.l = &ledger{
		solo: solo, perFeed: 4 + w.choose(40), budget: w.budget, unacked: &w.unacked, full: &w.full,
	}
	w.feeds = []*feed{{}}
	w.l.feeds = slices.Clone(w.feeds)
	w.l.join()
	w.coming++
	return w
}

// choose takes a number below n from the script, 0 at its end.
func (w *world) choose(n int) int {
	if len(w.script) == 0 || n <= 1 {
		return 0
	}
	b := w.script[0]
	w.script = w.script[1:]
	return int(b) % n
}

// client is one of the clients, nil if there is none.
func (w *world) client() *ledgerClient {
	if len(w.clients) == 0 {
		return nil
	}
	return w.clients[w.choose(len(w.clients))]
}

func (w *world) clientOf(s *member) *ledgerClient {
	for _, c := range w.clients {
		if &c.member == s {
			return c
		}
	}
	return nil
}

// perform does what effects ask for.
func (w *world) perform(e *effects) {
	for _, s := range append(e.more, e.first) {
		if c := w.clientOf(s); c != nil {
			c.woken = true
		}
	}
	for _, s := range e.resume {
		if s.stalled {
			w.t.Error("resumed, and still stalled")
		}
	}
	for _, a := range append(e.acks.more, e.acks) {
		for i := range a.ids {
			if len(a.feeds) > 0 {
				w.acked[a.ids[i].EntryID] = true
			}
		}
	}
	for _, r := range e.again {
		// What goes back counts as delivered once more.
		if !w.written[r.id.EntryID] && !w.l.solo && (w.coming+w.leaving > 0 || len(w.l.waiting) < w.l.unused+len(w.l.feeds)-1) {
			w.t.Errorf("message %d goes back, which no client has had and one will have room for", r.id.EntryID)
		}
		if !w.acked[r.id.EntryID] {
			w.back[r.id.EntryID] = true
		}
	}
	for _, g := range append(e.grants.more, e.grants) {
		if g.n < 0 {
			w.t.Error("permits are taken back")
		}
		w.permits[g.feed] += g.n
	}
}

func (w *world) deliver(f *feed, entry int64) {
	if w.permits[f] <= 0 {
		return
	}
	w.permits[f]--
	delete(w.back, entry)
	m := message(entry)
	m.Payload = make([]byte, w.size[entry])
	var e effects
	w.l.deliver(&e, f, m)
	run := w.choose(2) > 0
	if run {
		w.l.gather(&e, f)
	}
	w.perform(&e)
	if run && w.choose(3) == 0 {
		var rest effects
		w.l.wakeAll(&rest, f)
		w.perform(&rest)
		if len(w.l.asleep) > 0 {
			w.t.Error("sessions are asleep after a run")
		}
	}
}

// pick is one of the keys of a set, -1 if it is empty.
func pick(w *world, from map[int64]bool) int64 {
	all := make([]int64, 0, len(from))
	for id := range from {
		all = append(all, id)
	}
	if len(all) == 0 {
		return -1
	}
	slices.Sort(all)
	return all[w.choose(len(all))]
}

// heldEntries are the messages that the ledger holds.
func (w *world) heldEntries() map[int64]bool {
	all := map[int64]bool{}
	for _, d := range w.l.held {
		all[d.id.EntryID] = true
	}
	return all
}

// step does one thing.
func (w *world) step() {
	var e effects
	f := w.feeds[w.choose(len(w.feeds))]
	switch w.choose(20) {
	case 0, 1, 2, 3:
		for range 1 + w.choose(20) {
			if w.permits[f] > 0 {
				w.size[w.next] = []int{0, 10, 1000, 200_000}[w.choose(4)]
				w.deliver(f, w.next)
				w.next++
			}
		}
	case 4:
		if entry := pick(w, w.back); entry >= 0 {
			w.deliver(f, entry)
		}
	case 5: // as after a lost connection
		if entry := pick(w, w.heldEntries()); entry >= 0 {
			w.deliver(f, entry)
		}
	case 6, 7, 8, 9:
		c := w.client()
		if c == nil {
			return
		}
		got := w.l.take(&e, &c.member, nil, w.now)
		for _, p := range got {
			if p.m != nil {
				c.seen = append(c.seen, p.m.ID.EntryID)
				w.written[p.m.ID.EntryID] = true
				if p.d.owner != &c.member {
					w.t.Error("a message is written that the session does not have any more")
				}
			}
		}
		if len(c.queue) == 0 {
			c.woken = false
		}
	case 10, 11, 12, 13:
		c := w.client()
		if c == nil || w.next == 0 {
			return
		}
		some := func() int64 {
			if len(c.seen) == 0 || w.choose(8) == 0 {
				return int64(w.choose(int(w.next)))
			}
			i := w.choose(len(c.seen))
			entry := c.seen[i]
			c.seen = slices.Delete(c.seen, i, i+1)
			return entry
		}
		if w.choose(3) > 0 {
			ids := make([]codec.MessageID, 1+w.choose(3))
			for i := range ids {
				ids[i] = message(some()).ID
			}
			w.l.acknowledge(&e, &c.member, ids)
		} else {
			entry := some()
			w.written[entry] = true // it says so
			id := message(entry).ID
			w.l.refuse(&e, &c.member, &id, w.now)
		}
	case 14: // a session comes, in two steps
		if w.coming == 0 {
			if w.l.solo || len(w.clients) > 6 {
				return
			}
			w.l.join()
			w.coming++
			return
		}
		w.coming--
		o := bridge.ConsumeOptions{Window: 1 + w.choose(30), NackDelay: time.Second, Pull: w.l.solo && w.choose(2) == 0}
		o.AckTimeout = time.Duration(w.choose(2)) * 3 * time.Second
		c := &ledgerClient{}
		c.member = newMember(o, nil)
		w.clients = append(w.clients, c)
		w.l.attach(&e, &c.member)
	case 15: // a session goes, in two steps
		if w.leaving > 0 {
			w.leaving--
			w.over = w.l.leave(&e)
		} else if c := w.client(); c != nil && w.choose(4) == 0 {
			w.l.detach(&e, &c.member)
			if w.l.detach(&e, &c.member) {
				w.t.Error("detached twice")
			}
			w.clients = slices.DeleteFunc(w.clients, func(o *ledgerClient) bool { return o == c })
			w.leaving++
		}
	case 16:
		w.now += time.Duration(w.choose(5)) * 400 * time.Millisecond
		for _, c := range w.clients {
			if at := c.due(); at != 0 && at <= w.now {
				var e effects
				w.l.ring(&e, &c.member, w.now)
				w.perform(&e)
			}
		}
	case 17:
		if c := w.client(); c != nil {
			w.l.permit(&e, &c.member, w.choose(40)-1)
		}
	case 18:
		switch w.choose(4) {
		case 0:
			if len(w.l.feeds) < 4 && !w.l.solo {
				f := &feed{}
				w.feeds = append(w.feeds, f)
				w.l.addFeed(&e, f)
			}
		case 1:
			if w.choose(8) == 0 {
				w.l.onlyFeed()
			}
		case 2:
			w.budget.SetLimit(int64(1+w.choose(10)) << 18)
		case 3:
			if c := w.client(); c != nil {
				c.stalled = true
				w.l.unstallAll(&e)
			}
		}
	case 19:
		if c := w.client(); c != nil && len(c.queue) < 100 {
			w.l.answerEnd(&e, &c.member, true)
		}
	}
	w.perform(&e)
}

// check compares all sums with what they stand for.
func (w *world) check() {
	t, l := w.t, w.l
	place := map[*delivery]int{}
	out := map[*feed]int{}
	bytes, room, unused, granted := 0, 0, 0, 0
	refused := map[int64]bool{}
	for _, p := range l.waiting {
		place[p.d]++
		bytes += p.m.Memory()
		if p.d.owner != nil {
			t.Error("what waits has an owner")
		}
	}
	for s := range l.sessions.all() {
		n := 0
		var before *delivery
		for d := s.oldest; d != nil; before, d = d, d.next {
			n++
			place[d]++
			if d.owner != s || d.prev != before {
				t.Error("a session's list is broken")
			}
			if timeout := s.opts.Value().AckTimeout; timeout > 0 && d.at != 0 && (s.due() == 0 || s.due() > d.at+timeout) {
				t.Error("no alarm for an acknowledgement that may be late")
			}
		}
		if n != int(s.owned) || s.newest != before {
			t.Errorf("owns %d, counted %d", n, s.owned)
		}
		queued := map[*delivery]bool{}
		for _, p := range s.queue {
			if p.m == nil {
				continue
			}
			bytes += p.m.Memory()
			if p.d.owner == s {
				if queued[p.d] || p.d.at != 0 {
					t.Error("a message is to be written twice")
				}
				queued[p.d] = true
			}
		}
		for i, n := range s.nacked() {
			out[n.feed]++
			refused[n.id.EntryID] = true
			if i > 0 && n.due < s.nacked()[i-1].due || s.due() == 0 || s.due() > s.nacked()[0].due {
				t.Error("refused messages have no order or no alarm")
			}
		}
		if left := max(0, s.left()); int(s.unused) != left {
			t.Errorf("unused %d, counted %d", left, s.unused)
		}
		if s.room > 0 && !s.ready && l.turn != s && len(s.queue) == 0 {
			t.Error("a session with room is forgotten")
		}
		if c := w.clientOf(s); len(s.queue) > 0 && !c.woken && !s.asleep {
			t.Error("a session with something to write was not woken")
		}
		if len(l.waiting) > 0 && s.ready && l.roomOf(s) > 0 && int(s.room) == l.roomOf(s) {
			t.Error("a message waits beside a session with room")
		}
		room += int(s.room)
		unused += int(s.unused)
	}
	for key, d := range l.held {
		out[d.feed]++
		if place[d] != 1 || d.key != key {
			t.Errorf("message %d is in %d places", d.id.EntryID, place[d])
		}
	}
	if len(place) != len(l.held) {
		t.Errorf("%d messages are somewhere, %d are held", len(place), len(l.held))
	}
	for _, f := range w.feeds {
		if !f.gone {
			granted += f.granted
			if f.granted != w.permits[f] {
				t.Errorf("a feed with %d permits is counted with %d", w.permits[f], f.granted)
			}
			if room > len(l.waiting) && f.granted == 0 && l.capacity(f) > 0 {
				t.Error("a feed starves")
			}
		}
		if f.out != out[f] {
			t.Errorf("a feed has %d out, counted %d", out[f], f.out)
		}
	}
	if l.granted != granted || l.room != room || l.unused != unused {
		t.Errorf("granted %d, room %d, unused %d; counted %d, %d, %d", granted, room, unused, l.granted, l.room, l.unused)
	}
	if l.expected != l.sessions.len()+w.coming+w.leaving {
		t.Errorf("%d sessions expected", l.expected)
	}
	if n := w.budget.Held(memory.Deliveries); n != int64(bytes) {
		t.Errorf("%d bytes wait, counted %d", bytes, n)
	}
	full := int64(0)
	for s := range l.sessions.all() {
		if !s.pull && s.owned >= s.window {
			full++
		}
	}
	if n := w.full.Now(); n != full {
		t.Errorf("%d windows are full, counted %d", full, n)
	}
	if n := w.unacked.Load(); n != int64(len(l.held)) {
		t.Errorf("%d messages held, counted %d", len(l.held), n)
	}
	if w.coming+w.leaving == 0 && len(l.waiting) > unused+len(w.feeds)-1 {
		t.Errorf("%d messages wait for room that will not be", len(l.waiting)-unused)
	}
	held := w.heldEntries()
	for entry := range w.next {
		if !held[entry] && !w.acked[entry] && !w.back[entry] && !refused[entry] {
			t.Errorf("message %d is lost", entry)
		}
		if held[entry] && w.back[entry] && !l.solo { // a pull session may refuse what it does not have any more
			t.Errorf("message %d is held, and was asked for again", entry)
		}
	}
}

// end lets all sessions leave: nothing may be left.
func (w *world) end() {
	for _, c := range w.clients {
		var e effects
		w.l.detach(&e, &c.member)
		w.leaving++
	}
	for range w.leaving + w.coming {
		var e effects
		w.over = w.l.leave(&e)
	}
	if !w.over || w.unacked.Load() != 0 || w.full.Now() != 0 || w.budget.Held(memory.Deliveries) != 0 || w.l.sessions.len() > 0 {
		w.t.Errorf("left behind: %d messages, %d bytes, %d sessions", w.unacked.Load(), w.budget.Held(memory.Deliveries), w.l.sessions.len())
	}
}
