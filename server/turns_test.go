package server

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/server/life"
)

// unservedWorker is a worker that does not run, of a server that does not, either.
func unservedWorker(t *testing.T) *worker {
	t.Helper()
	s, err := New(bounded(Options{Bridge: newFakeBridge()}))
	if err != nil {
		t.Fatal(err)
	}
	return newWorker(s)
}

// standing is a connection of w's that stands so.
func (w *worker) standing(at life.State) *conn {
	c := &conn{s: w.s, w: w}
	c.life.Store(uint32(at))
	return c
}

// passes has a connection pass for which nothing is left to do.
func (w *worker) passes() {
	c := w.standing(life.Dead)
	c.gone = true
	c.wake(wantGone)
}

// openUnserved is the connection of an open session on a worker that does not run.
func openUnserved(t *testing.T) (*conn, *fakeSession) {
	t.Helper()
	c := unservedWorker(t).standing(life.Open)
	fs := newFakeSession(c)
	c.session = fs
	return c, fs
}

// turns gives c turns until it needs no more, and returns how many messages were
// handled in each.
func turns(c *conn, fs *fakeSession) (handled []int) {
	for before := 0; ; {
		n := len(fs.handled)
		handled = append(handled, n-before)
		if before = n; !c.yielded {
			return handled
		}
		c.turn = 0
		c.resume()
	}
}

// Many messages in one read are handled in several turns, in order, by their
// number, their size or what it takes to decompress them.
func TestInputTakesTurns(t *testing.T) {
	small := func(i int) string { return clientFrame(1, fmt.Sprintf("%04d", i)) }
	for name, tt := range map[string]struct {
		messages int
		frame    func(i int) string
		most     int // in a turn
		deflate  bool
	}{
		"small":      {1000, small, turnBytes/messageCost + 1, false},
		"large":      {12, func(i int) string { return clientFrame(1, fmt.Sprintf("%0*d", 15<<10, i)) }, 3, false},
		"compressed": {50, func(i int) string { return deflatedFrame(fmt.Sprintf("%0*d", 1<<10, i), 1<<10) }, 3, true},
		"few":        {20, small, 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			c, fs := openUnserved(t)
			c.reader.SetDeflate(tt.deflate)
			var input strings.Builder
			for i := range tt.messages {
				input.WriteString(tt.frame(i))
			}
			c.frames([]byte(input.String()), false)
			handled := turns(c, fs)
			sum := 0
			for i, n := range handled {
				sum += n
				if n > tt.most || n == 0 && i < len(handled)-1 {
					t.Errorf("%d messages in turn %d", n, i)
				}
			}
			if sum != tt.messages {
				t.Fatalf("%d messages were handled, of %d", sum, tt.messages)
			}
			if len(handled) == 1 != (tt.messages <= tt.most) {
				t.Errorf("%d turns", len(handled))
			}
			for i := range tt.messages {
				if got := <-fs.handled; !strings.HasSuffix(got, fmt.Sprintf("%04d", i)) {
					t.Fatalf("message %d is %.20q", i, got)
				}
			}
		})
	}
}

// deflatedFrame is a client's compressed message, made size bytes long by empty
// blocks that take work and become nothing.
func deflatedFrame(text string, size int) string {
	z := strings.Repeat("\x00\x00\x00\xff\xff", (size-len(text)/100-200)/5)
	f := ws.AppendTextDeflated(nil, func(dst []byte) []byte { return append(dst, text...) })
	payload := f[2:]
	if f[1] == 126 {
		payload = f[4:]
	}
	b := []byte(clientFrame(1, z+string(payload)))
	b[0] |= 0x40
	return string(b)
}

// A turn that ends is announced to the worker; one in which the session becomes
// full is not, as the session will resume it.
func TestTurnOrFull(t *testing.T) {
	c, fs := openUnserved(t)
	input := []byte(strings.Repeat(clientFrame(1, "x"), 2*turnBytes/messageCost))
	c.frames(append([]byte(nil), input...), false)
	if !c.stalled || !c.yielded || c.wants.Load()&wantRead == 0 {
		t.Fatalf("stalled %v, yielded %v, wants %b", c.stalled, c.yielded, c.wants.Load())
	}
	fs.set(func(s *fakeSession) { s.full = true })
	c.turn = 0
	before := len(fs.handled)
	c.resume()
	if !c.stalled || c.yielded || len(fs.handled) != before {
		t.Fatalf("of a full session: stalled %v, yielded %v, %d messages more", c.stalled, c.yielded, len(fs.handled)-before)
	}
}

// turningSession notes when turns begin and end, and becomes full at the end of one.
type turningSession struct{ *fakeSession }

func (s turningSession) BeginTurn() { s.handled <- "begin" }
func (s turningSession) EndTurn()   { s.handled <- "end"; s.set(func(s *fakeSession) { s.full = true }) }

// A session is told of a turn of its input, and may be full when it ends.
func TestSessionKnowsItsTurns(t *testing.T) {
	c, fs := openUnserved(t)
	c.session = turningSession{fs}
	c.frames([]byte(clientFrame(1, "a")+clientFrame(1, "b")), false)
	for _, want := range []string{"begin", "a", "b", "end"} {
		if got := <-fs.handled; got != want {
			t.Fatalf("%q, not %q", got, want)
		}
	}
	if !c.stalled || c.yielded {
		t.Error("it goes on although the session is full")
	}
}

// While a costly message has the session to itself, input that comes because the session is ending is no turn: it would run beside Handle.
func TestNoTurnBesideACostlyMessage(t *testing.T) {
	for name, costlyOne := range map[string]bool{"ended meanwhile": false, "a costly message": true} {
		c, fs := openUnserved(t)
		c.session = turningSession{fs}
		if costlyOne {
			c.costly = &costly{}
		} else {
			c.life.Store(uint32(life.Closing))
		}
		c.frames([]byte(clientFrame(9, "")), false)
		select {
		case got := <-fs.handled:
			t.Errorf("%s: %q", name, got)
		default:
		}
	}
}

// blocking makes a session's large messages wait until the test lets them go on,
// or ends.
func blocking(t *testing.T, fs *fakeSession) (begun chan string, goOn func()) {
	wait := make(chan struct{})
	begun, goOn = make(chan string, 100), sync.OnceFunc(func() { close(wait) })
	t.Cleanup(goOn)
	fs.handle = func(frame []byte) error {
		if len(frame) > inlineMessage {
			begun <- string(frame[:5])
			<-wait
		}
		fs.handled <- string(frame[:5])
		return nil
	}
	return begun, goOn
}

// openBlocking opens a session over a raw connection.
func openBlocking(t *testing.T, s *Server, b *fakeBridge) (client *rawConn, fs *fakeSession, begun chan string, goOn func()) {
	t.Helper()
	sessions := make(chan *fakeSession, 1)
	b.answer(func(o *fakeOpen) *fakeSession {
		fs := newFakeSession(o.out)
		begun, goOn = blocking(t, fs)
		sessions <- fs
		return fs
	})
	client = dialRaw(t, s)
	client.send(upgradeHead(producerPath))
	client.response()
	return client, <-sessions, begun, goOn
}

var largeFrame = clientFrame(1, "large"+strings.Repeat("x", 200<<10))

// While a large message is worked on, others are served, and so is the session's own
// output; what comes behind it waits.
func TestLargeMessageKeepsNobodyWaiting(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b, func(o *Options) { o.workers = 1 })
	client, fs, begun, goOn := openBlocking(t, s, b)
	client.send(largeFrame + clientFrame(1, "small"))
	receive(t, begun, "the large message")

	b.answer(func(o *fakeOpen) *fakeSession { return echoSession(o.out) })
	other := dial(t, s, producerPath)
	say(t, other, "hello")
	if got := message(t, other); got != "hello" {
		t.Fatalf("got %q", got)
	}
	fs.push("output")
	if _, got := client.frame(); got != "output" {
		t.Fatalf("got %q", got)
	}
	if len(fs.handled) != 0 {
		t.Fatal("a message has overtaken another")
	}
	goOn()
	for _, want := range []string{"large", "small"} {
		if got := receive(t, fs.handled, "a message"); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// What a client sent before it closed its socket is handled, a large message and
// what stands behind it included, and the session ends behind it.
func TestEndBehindALargeMessage(t *testing.T) {
	for name, early := range map[string]bool{"at once": false, "while it is worked on": true} {
		t.Run(name, func(t *testing.T) {
			b := newFakeBridge()
			s := start(t, b)
			client, fs, begun, goOn := openBlocking(t, s, b)
			client.send(largeFrame + strings.Repeat(clientFrame(1, "small"), 300))
			if early {
				receive(t, begun, "the large message")
			} else {
				goOn()
			}
			_ = client.Close()
			if early {
				goOn()
			}
			for i := range 301 {
				want := "small"
				if i == 0 {
					want = "large"
				}
				if got := receive(t, fs.handled, "a message"); got != want {
					t.Fatalf("message %d is %q", i, got)
				}
			}
			receive(t, fs.closed, "the session's end")
			eventually(t, "the connection is forgotten", func() bool { return s.conns.Load() == 0 })
		})
	}
}

// A session is not closed while it handles a message, and no later than behind it.
func TestSessionEndsDuringALargeMessage(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	client, fs, begun, goOn := openBlocking(t, s, b)
	client.send(largeFrame + clientFrame(1, "small"))
	receive(t, begun, "the large message")
	fs.out.End(4, "gone")
	if op, payload := client.frame(); op != 8 || payload[2:] != "gone" {
		t.Fatalf("opcode %d %q", op, payload)
	}
	select {
	case <-fs.closed:
		t.Fatal("closed while it handles a message")
	default:
	}
	goOn()
	receive(t, fs.closed, "the session's end")
	if got := receive(t, fs.handled, "the large message's end"); got != "large" || len(fs.handled) != 0 {
		t.Fatalf("%q, and %d more", got, len(fs.handled))
	}
}

// What is wrong with a large message ends its session as ever.
func TestLargeMessageIsRefused(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	for name, tt := range map[string]struct {
		frame  string
		handle func([]byte) error
		code   uint16
	}{
		"no UTF-8":  {clientFrame(1, strings.Repeat("x", 200<<10)+"\xc3"), nil, ws.CodeInvalidData},
		"an error":  {largeFrame, func([]byte) error { return fmt.Errorf("no") }, 4008},
		"a panic":   {largeFrame, func([]byte) error { panic("boom") }, closeInternal},
		"deflated?": {"\xc1" + largeFrame[1:], nil, ws.CodeProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			b.answer(func(o *fakeOpen) *fakeSession {
				fs := newFakeSession(o.out)
				fs.handle = tt.handle
				return fs
			})
			client := dialRaw(t, s)
			client.send(upgradeHead(producerPath))
			client.response()
			if _, err := client.Write([]byte(tt.frame)); err != nil {
				t.Log(err) // it may be refused before all is sent
			}
			op, payload := client.frame()
			if got := uint16(payload[0])<<8 | uint16(payload[1]); op != 8 || got != tt.code {
				t.Fatalf("opcode %d, code %d %q", op, got, payload[2:])
			}
		})
	}
}

// Close waits for the message that is worked on, and gives up those that wait.
func TestCloseDuringLargeMessages(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b, func(o *Options) { o.workers = 1 })
	var all []*fakeSession
	client, fs, begun, goOn := openBlocking(t, s, b)
	client.send(largeFrame)
	receive(t, begun, "the large message")
	all = append(all, fs)
	for i := range 3 {
		waiting, fs, _, _ := openBlocking(t, s, b)
		waiting.send(largeFrame)
		c := fs.out.(*conn)
		eventually(t, "the message waits", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.costly != nil
		})
		if i == 0 {
			_ = waiting.Conn.(*net.TCPConn).Close() // its end waits for the message
		}
		all = append(all, fs)
	}
	closed := make(chan struct{})
	go func() { s.Close(); close(closed) }()
	eventually(t, "the end of large messages", func() bool {
		s.costly.mu.Lock()
		defer s.costly.mu.Unlock()
		return s.costly.quit
	})
	goOn()
	receive(t, closed, "the end of Close")
	for _, fs := range all {
		receive(t, fs.closed, "the session's end")
	}
	if len(all[1].handled)+len(all[2].handled)+len(all[3].handled) != 0 {
		t.Fatal("a message that waited was handled")
	}
}

// A drain waits for what was sent before.
func TestDrainWaitsForALargeMessage(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	client, fs, begun, goOn := openBlocking(t, s, b)
	client.send(largeFrame)
	receive(t, begun, "the large message")
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(t.Context()) }()
	eventually(t, "the drain begins", s.draining.Load)
	before := s.now()
	eventually(t, "the workers look after all connections", func() bool { return s.now()-before > 3 })
	goOn()
	if op, payload := client.frame(); op != 8 || payload[2:] != drainReason {
		t.Fatalf("opcode %d %q", op, payload)
	}
	if len(fs.handled) != 1 {
		t.Fatal("closed before the message was handled")
	}
	_ = client.Close()
	if err := receive(t, drained, "the drain's end"); err != nil {
		t.Fatal(err)
	}
}

// Who has taken less time comes first; those who have taken the same wait in line.
func TestCostlyMessagesAreFair(t *testing.T) {
	var q costlyMessages
	const attackers = 4
	var conns [attackers + 1]conn
	victim := &conns[attackers]
	for i := range attackers {
		q.push(&conns[i])
	}
	order := func() (who []int) {
		for range attackers {
			c := q.next()
			for i := range conns {
				if c == &conns[i] {
					who = append(who, i)
				}
			}
			if c != victim {
				q.spent(c, 20*time.Millisecond)
				q.push(c) // it has the next one already
			}
		}
		return who
	}
	if got := fmt.Sprint(order(), order()); got != "[0 1 2 3] [0 1 2 3]" {
		t.Fatalf("in the order %s", got)
	}
	for range 10 { // however long it was silent, it waits for one message, and so do the others for it
		q.push(victim)
		if c := q.next(); c != victim {
			t.Fatal("the victim waits for more than the message that is worked on")
		}
		q.spent(victim, time.Millisecond)
		order()
	}
	if len(q.queue) != attackers {
		t.Fatalf("%d wait", len(q.queue))
	}
}

// Much that compresses to little ends a turn of output, too.
func TestCompressedOutputTakesTurns(t *testing.T) {
	var o output
	o.deflate = true
	text := strings.Repeat("x", 32<<10)
	for _, frame := range []func(){
		func() { o.Append(func(dst []byte) []byte { return append(dst, text...) }) },
		func() { o.Shared(ws.NewFrame([]byte(text))) },
	} {
		o.reset(passBytes)
		n := 0
		for ; o.Room(); n++ {
			frame()
		}
		if n != passPlain/len(text) || !o.refused {
			t.Errorf("%d frames in a turn, %d bytes", n, o.len())
		}
	}
}

// fullSession is a session that takes nothing and says when it is asked whether
// it does.
type fullSession struct {
	bridge.Session
	asked func()
}

func (s *fullSession) Full() bool { s.asked(); return true }

// Between two that read, all others are served; those that read take turns.
func TestReadsWaitForOutput(t *testing.T) {
	w := unservedWorker(t)
	var order strings.Builder
	for i := range 3 {
		c := w.standing(life.Open)
		c.stalled = true
		c.session = &fullSession{asked: func() {
			fmt.Fprint(&order, i)
			if order.Len() < 12 {
				c.wake(wantRead) // there is more to read
			}
		}}
		c.wake(wantRead)
	}
	for range 4 {
		c := w.standing(life.Open)
		c.session = &fillSession{fill: func() { order.WriteByte('f') }}
		c.wake(wantFlush)
	}
	for range 5 {
		w.work()
	}
	if got := order.String(); got != "ffff01201" {
		t.Fatalf("in the order %s", got)
	}
	select {
	case <-w.bell:
	default:
		t.Fatal("the worker is not to come again")
	}
}

// Those that send more than fits in a turn, or than their session takes, wait for each other; who sends little is read in between.
func TestWhoSendsLittleIsReadBetween(t *testing.T) {
	for name, muchToRead := range map[string]func(*conn){
		"more than a turn":              func(c *conn) { c.wake(wantRead | wantTurn) },
		"more than its session took":    (*conn).Resume,
		"a message of more than a turn": costlyDone,
	} {
		t.Run(name, func(t *testing.T) {
			w := unservedWorker(t)
			var order strings.Builder
			queue := func(name string, wakes func(*conn)) {
				c := w.standing(life.Open)
				c.session = newFakeSession(c)
				wakes(c)
				c.stalled = true
				c.session = &fullSession{asked: func() { order.WriteString(name) }}
			}
			little := func(c *conn) { c.wake(wantRead) }
			for _, name := range []string{"A", "B", "C"} {
				queue(name, muchToRead)
			}
			queue("a", little)
			w.work()
			queue("b", little)
			queue("c", little)
			for range 3 {
				w.work()
			}
			if got := order.String(); got != "aAbBcC" {
				t.Fatalf("in the order %s", got)
			}
		})
	}
}

// costlyDone has c send a costly message, and all of it handled.
func costlyDone(c *conn) {
	frame := []byte(clientFrame(2, strings.Repeat("x", inlineMessage+1)))
	c.mu.Lock()
	c.input(frame[:inlineMessage]) // what comes in a single read is handled at once
	c.input(frame[inlineMessage:])
	c.mu.Unlock()
	c.s.costly.next().workCostly()
}

// Sessions are served before those that come and go, of which each call serves some; and each of those may read.
func TestSessionsAreServedBeforeWhoPasses(t *testing.T) {
	w := unservedWorker(t)
	const many = 3 * passEvery
	var order strings.Builder
	for range many {
		w.passes()
	}
	for range 2 {
		c := w.standing(life.Open)
		c.session = &fillSession{fill: func() { fmt.Fprint(&order, len(w.passing), " ") }}
		c.wake(wantFlush)
	}
	w.work()
	if got := order.String(); got != fmt.Sprint(many, " ", many, " ") {
		t.Fatalf("so many passed when sessions were served: %s", got)
	}
	for left := many - passEvery; left > 0; left -= passEvery {
		if len(w.passing) != left {
			t.Fatalf("%d are left, not %d", len(w.passing), left)
		}
		w.work()
	}
	if len(w.passing) != 0 {
		t.Fatalf("%d are left at the end", len(w.passing))
	}
}

// Between very many sessions those that pass get on, too.
func TestWhoPassesIsServedBetweenVeryManySessions(t *testing.T) {
	w := unservedWorker(t)
	w.passes()
	served, before := 0, -1
	for range 10 * readEvery {
		c := w.standing(life.Open)
		c.session = &fillSession{fill: func() {
			if served++; before < 0 && len(w.passing) == 0 {
				before = served - 1
			}
		}}
		c.wake(wantFlush)
	}
	w.work()
	if before != readEvery {
		t.Fatalf("it was served behind %d sessions, not %d", before, readEvery)
	}
}

// What sessions had sent before their sockets closed is handled in turns, too: one call gives one of them, and leaves none out.
func TestWhatIsLeftTakesTurns(t *testing.T) {
	w := unservedWorker(t)
	const messages = turnBytes>>10 + 1 // more than one turn takes, less than two
	left := make([]*conn, 3)
	for i := range left {
		c := w.standing(life.Lost)
		c.connected(t)
		c.session = newFakeSession(c)
		c.stalled, c.yielded, c.rest = true, true, keep([]byte(strings.Repeat(clientFrame(1, strings.Repeat("x", 1<<10)), messages)))
		c.wake(wantGone)
		w.s.conns.Add(1)
		left[i] = c
	}
	for i := range left {
		w.pass(passEvery)
		for j, c := range left {
			if handled := c.messages > 0; handled != (j <= i) {
				t.Errorf("after %d calls session %d has had a turn: %v", i+1, j, handled)
			}
		}
	}
	for range left {
		if w.work() {
			t.Error("the worker is to end")
		}
	}
	for i, c := range left {
		if c.messages != messages || !c.gone {
			t.Errorf("of session %d %d messages were handled, not %d; it is buried: %v", i, c.messages, messages, c.gone)
		}
	}
}

// A worker for which very many come or go gets a further connection when they are less, or when it has served some of them:
// those that stay and want to be served again and again shut nobody out.
func TestAcceptWaitsForCalm(t *testing.T) {
	for name, test := range map[string]struct {
		pass int             // for how many the worker is served at a time
		many int             // how many pass
		then func(w *worker) // called when some were served
		want []bool          // whether one is accepted at once, when some were served, and so on
	}{
		"few":             {1, mostPassing - 1, func(*worker) {}, []bool{true}},
		"they become few": {1, mostPassing + 2, func(*worker) {}, []bool{false, false, false, true}},
		"others come in their place": {passEvery / 2, mostPassing + passEvery, func(w *worker) {
			for len(w.passing) < mostPassing+passEvery {
				w.passes()
			}
		}, []bool{false, false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := unservedWorker(t)
				for range test.many {
					w.passes()
				}
				calm := make(chan struct{})
				go func() { w.awaitCalm(); close(calm) }()
				accepts := func() bool {
					synctest.Wait()
					select {
					case <-calm:
						return true
					default:
						return false
					}
				}
				for i, want := range test.want {
					if got := accepts(); got != want {
						t.Errorf("accepted when %d times some were served and %d pass: %v", i, len(w.passing), got)
					}
					w.pass(test.pass)
					test.then(w)
				}
				for len(w.passing) > 0 { // whatever was found, the goroutine ends
					w.pass(passEvery)
				}
				waits := uint64(1)
				if test.want[0] {
					waits = 0
				}
				if got := w.s.metrics.acceptWaits.Load(); got != waits {
					t.Errorf("it was counted %d times that one waits", got)
				}
			})
		})
	}
}

// Very many that ask for one answer after another, and never come to an end, shut nobody out.
func TestAcceptGetsOnBesideVeryManyWhoAsk(t *testing.T) {
	s := start(t, echoBridge(), func(o *Options) { o.workers = 1 })
	requests := strings.Repeat("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 1000)
	var clients []*rawConn
	for range mostPassing * 3 / 2 {
		clients = append(clients, dialRaw(t, s))
	}
	var ends sync.WaitGroup
	defer ends.Wait()
	for _, c := range clients {
		defer c.Close()
		ends.Go(func() { _, _ = io.Copy(io.Discard, c) })
		ends.Go(func() {
			for {
				if _, err := io.WriteString(c, requests); err != nil {
					return
				}
			}
		})
	}
	eventually(t, "somebody waits for calm", func() bool {
		if resp, _ := get(t, s, "/healthz"); resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		return s.metrics.acceptWaits.Load() > 0
	})
}

func TestPollers(t *testing.T) {
	for processors, want := range map[int]int{1: 1, 2: 1, 3: 2, 64: 63} {
		if got := pollersFor(processors); got != want {
			t.Errorf("%d for %d processors, not %d", got, processors, want)
		}
	}
}
