package life

import (
	"fmt"
	"testing"
)

// course is what has become of a connection: its state, and the facts that the table
// must keep true, told from the events and the effects alone.
type course struct {
	state State

	session   bool // it has been one
	deaf      bool // as one it did not listen any more
	left      bool // it was detached
	place     bool // Hold took one that is not given back
	frame     bool // a close frame was asked for
	said      bool // the last was put in the output
	peerEnded bool // PeerEnd has come, and was not out of place
	peerDone  bool // PeerClose has come to a session
	shut      bool // our direction was ended
	hungUp    bool // both were
	closed    bool // Loss has come to something that listens
}

// may reports whether the server lets e happen.
func (c *course) may(e Event) bool {
	switch e {
	case Loss:
		return c.state.Listens() && !c.closed
	case AllSent: // it looks first
		return c.state.Shuts()
	case LastOut: // nothing is put in the output of a closed socket, and no second close frame
		return !c.closed && (!c.session || !c.state.Said())
	}
	return true
}

// step lets e happen and says what is wrong with what comes of it.
func (c course) step(e Event) (course, error) {
	before := c.state
	now, do := before.Next(e)
	moved := now != before
	c.state = now
	wrong := func(what string, args ...any) (course, error) { return c, fmt.Errorf(what, args...) }

	// It goes forward, and ends for good.
	again := e == Taken && before.Stage() == Working && now == Head
	if now.Stage() < before.Stage() && !again && e != Loss {
		return wrong("it goes back from stage %d to %d", before.Stage(), now.Stage())
	}
	if before == Gone && (moved || do != 0) {
		return wrong("it moves in its grave")
	}
	if e == Bury && now != Gone {
		return wrong("it is not buried")
	}

	// What has to change something does, and what waited then does not wait any more.
	alive := before < Last
	asksEnd := before.Stage() == Awaiting || before == Opening || before.Stage() == Session || before.Stage() == Farewells
	switch {
	case e == Fail && alive && now.Stage() != Discarding:
		return wrong("what comes still counts")
	case e == PeerEnd && asksEnd && now.Stage() != Discarding:
		return wrong("the peer's end changes nothing")
	case e == PeerEnd && !asksEnd && moved:
		return wrong("its peer is owed something still")
	case e == LastOut && (before.Works() || before == Open || before == Leaving) && !moved:
		return wrong("it goes on behind its last output")
	case e == Loss && before.Listens() && now != Lost:
		return wrong("what came before is forgotten")
	case e == Cut && before != Lost && before != Dead && before != Gone && do&HangUp == 0:
		return wrong("its socket is not hung up")
	}
	resumes := e == Fail || e == Stop || e == PeerClose || e == Leave || e == Taken || e == Opened || before.Stage() == Session && (e == PeerEnd || e == LastOut)
	if moved && (resumes || now == Dead) && do&Unstall == 0 {
		return wrong("its input waits for ever")
	}
	if moved && before.Stage() == Session && e == LastOut && do&ReadOn == 0 {
		return wrong("the peer's answer is not looked for")
	}

	// A place among those who wait is given back once.
	if do&GivePlace != 0 {
		if !c.place {
			return wrong("a place is given back that was not taken")
		}
		c.place = false
	}
	if e == Hold && moved {
		c.place = true
	}
	if c.place != (now == Held) {
		return wrong("it holds a place: %t", c.place)
	}

	// A session does not listen, nor come back, once it does not.
	c.session = c.session || now.Stage() == Session
	if c.session {
		if now.Listens() && c.deaf {
			return wrong("it listens again")
		}
		c.deaf = !now.Listens()
		if now.Attached() && c.left {
			return wrong("it is attached again")
		}
		c.left = !now.Attached()
		if c.left && now.Listens() {
			return wrong("it listens without a session")
		}
	}
	if c.session && !c.deaf && (e == Cut || e == Fail || e == PeerClose || e == PeerEnd && before.Stage() != Farewells || e == Stop || e == Leave && before == Leaving) {
		return wrong("it listens on")
	}
	if moved && e == Part && !now.Listens() {
		return wrong("its last messages do not count")
	}

	// The close frame: asked for before it is put in the output, and put there once.
	if do&Frame != 0 {
		if before.Said() || c.closed {
			return wrong("a close frame is asked for, which cannot be sent")
		}
		c.frame = true
	}
	bridges := before == Open || before == Leaving // there the bridge may ask for it
	if e == LastOut && moved {
		if c.session && !c.frame && !bridges {
			return wrong("a frame is put in the output that nobody has asked for")
		}
		c.said = true
		if !now.Said() {
			return wrong("the last is in the output, and more may follow")
		}
	}
	if now.Said() && !c.said && now != Over && now != Dropping && !now.Closed() && now != Gone {
		return wrong("the last is taken for said")
	}
	waitsForIt := now == Closing || now == Parting || now == Last || now == Farewell
	if to, _ := now.Next(LastOut); waitsForIt && !to.Said() {
		return wrong("its last output changes nothing")
	}

	// What the peer has ended ends with our output; else its end is awaited.
	c.peerDone = c.peerDone || e == PeerClose && (before.Stage() == Session || before.Stage() == Farewells)
	c.peerEnded = c.peerEnded || e == PeerEnd && moved
	if do&ShutWrite != 0 {
		if c.shut || c.hungUp {
			return wrong("our direction is ended twice")
		}
		if e != AllSent || c.peerDone {
			return wrong("our direction is ended, and the peer's is awaited")
		}
		c.shut = true
	}
	if do&HangUp != 0 {
		if e != Cut && (e != AllSent || !c.peerDone && !c.peerEnded) {
			return wrong("the peer's last is lost")
		}
		c.hungUp = true
	}
	if e == AllSent && moved && !c.hungUp && !c.shut {
		return wrong("all is sent, and nothing ends")
	}
	if e == Cut && !c.hungUp && now != Dead && now != Gone {
		return wrong("it cannot be cut off")
	}
	if now == Over && !c.hungUp {
		return wrong("it is taken for ended")
	}

	// Of a closed socket nothing is awaited but the grave.
	c.closed = c.closed || e == Loss && moved
	if c.closed && now != Gone && !now.Closed() || !c.closed && now.Closed() {
		return wrong("its socket is closed: %t", c.closed)
	}
	return c, nil
}

// All courses that a connection's life can take are gone through.
func TestAllCourses(t *testing.T) {
	type reached struct {
		from  *reached
		by    Event
		where course
	}
	path := func(r *reached) (text string) {
		for ; r.from != nil; r = r.from {
			text = fmt.Sprintf(" -%d-> %d%s", r.by, r.where.state, text)
		}
		return fmt.Sprint(r.where.state, text)
	}
	var queue []*reached
	seen := map[course]bool{}
	for _, first := range []State{Proxy, Handshake, Head} {
		queue = append(queue, &reached{where: course{state: first}})
	}
	met := map[State]bool{}
	for ; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		met[at.where.state] = true
		for e := range events {
			if !at.where.may(e) {
				continue
			}
			next, err := at.where.step(e)
			r := &reached{from: at, by: e, where: next}
			if err != nil {
				t.Fatalf("%v: %s", err, path(r))
			}
			if !seen[next] {
				seen[next] = true
				queue = append(queue, r)
			}
		}
	}
	for s := Proxy; s < states; s++ {
		if !met[s] {
			t.Errorf("state %d is never reached", s)
		}
	}
	for s := range table {
		for e, m := range table[s] {
			if m.to != 0 && s == 0 {
				t.Errorf("event %d does something before there is a connection", e)
			}
		}
	}
	t.Logf("%d courses", len(seen))
}

// The way to a session, and from one request to the next.
func TestWayIn(t *testing.T) {
	for _, way := range []struct {
		events []Event
		want   []State
	}{
		{[]Event{Told, Wanted, Opened, Turn}, []State{Proxy, Head, Opening, Open, Leaving}},
		{[]Event{ToldTLS, Secured, Asked, Taken, Asked, Waits, Taken}, []State{Proxy, Handshake, Head, Busy, Head, Busy, Answered, Head}},
		{[]Event{Wanted, Hold, Opened}, []State{Head, Opening, Held, Open}},
	} {
		s := way.want[0]
		for i, e := range way.events {
			if s, _ = s.Next(e); s != way.want[i+1] {
				t.Errorf("%v: %d leads to %d, want %d", way.events, e, s, way.want[i+1])
			}
		}
	}
}

// However a session ends, from our side alone it comes to an end: its frame leaves, it is
// detached, our direction is ended or the socket closed.
func TestEverySessionEnds(t *testing.T) {
	for _, from := range []State{Open, Leaving} {
		for _, by := range []Event{Stop, Fail, PeerClose, PeerEnd, LastOut, Leave, Part, Cut} {
			s, do := from.Next(by)
			if s == from { // Open does not Leave
				continue
			}
			if by != Cut && by != LastOut && do&Frame == 0 {
				t.Errorf("%d in %d: no close frame is asked for", by, from)
			}
			s, _ = s.Next(LastOut)
			if s == Parted {
				s, _ = s.Next(PeerClose)
			}
			if s.Attached() {
				t.Errorf("%d in %d: the session is kept in %d", by, from, s)
			}
			if s == Closed { // its deadline
				s, _ = s.Next(Cut)
			}
			s, _ = s.Next(AllSent)
			if s != Half && s != Over {
				t.Errorf("%d in %d: it ends in %d", by, from, s)
			}
		}
	}
}

// The table as its readers need it: a stage is one piece of the order of states.
func TestStages(t *testing.T) {
	last := Awaiting
	for s := Proxy; s < states; s++ {
		if s.Stage() < last || s.Stage() > last+1 {
			t.Errorf("state %d is in stage %d, behind stage %d", s, s.Stage(), last)
		}
		last = s.Stage()
	}
	if last != Buried {
		t.Errorf("the last stage is %d", last)
	}
}

// Whatever comes in whatever order, also what the server lets not happen.
func FuzzNext(f *testing.F) {
	f.Add([]byte{byte(Wanted), byte(Opened), byte(Turn), byte(Part), byte(LastOut), byte(PeerClose), byte(AllSent), byte(Bury)})
	f.Add([]byte{byte(Asked), byte(Waits), byte(Taken), byte(Wanted), byte(Hold), byte(Opened), byte(Loss), byte(Fail), byte(Bury)})
	f.Fuzz(func(t *testing.T, happens []byte) {
		c := course{state: Head}
		for i, b := range happens {
			e := Event(b) % events
			if !c.may(e) {
				_, _ = c.state.Next(e) // it may be asked
				continue
			}
			var err error
			if c, err = c.step(e); err != nil {
				t.Fatalf("event %d of %v: %v", i, happens, err)
			}
		}
	})
}
