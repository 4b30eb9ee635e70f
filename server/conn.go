package server

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"github.com/lesismal/nbio"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/server/life"
	"github.com/pulsegate/pulsegate/server/route"
	"github.com/pulsegate/pulsegate/server/tlsio"
	"github.com/pulsegate/pulsegate/server/wheel"
)

// The bits that say what a connection wants from its worker.
const (
	wantQueued uint32 = 1 << iota // it stands in the worker's queue
	wantNew                       // it was just accepted
	wantFlush                     // there may be something to write
	wantRead                      // there may be something to read that no event will announce again
	wantTurn                      // beside wantRead: it sends more than fits in a turn, and waits with those that do, too
	wantOpened                    // the bridge has answered
	wantGone                      // its socket is closed
	wantLook                      // its next deadline has moved
	wantEnd                       // its peer has ended its direction
	wantRoom                      // the kernel may take what was kept for it
)

// conn is one connection: first HTTP, then perhaps a session. It is the
// session's [bridge.Outlet].
//
// Its fields belong to different parties; the comments say to whom. What it does and how it
// ends is its life, see close.go; ended, ending and stalled are about its input, unsent about
// its output. An idle session holds no buffer: those of the handshake are dropped with [conn.req].
type conn struct {
	s   *Server
	w   *worker
	nc  *nbio.Conn
	tls *tlsio.Conn // nil: without TLS

	// Set by anyone.
	unsent    atomic.Int64  // bytes of output that the kernel has not taken yet
	life      atomic.Uint32 // its [life.State]: changed with mu held, see [conn.on]; read by anyone
	wants     atomic.Uint32
	lastTake  atomic.Uint32 // tick at which the kernel last took output
	lastSeen  atomic.Uint32 // tick of the last traffic, see [conn.lastTraffic]
	toRead    atomic.Bool   // it is in the worker's reads, turns or heads
	tellTaken atomic.Bool   // the worker wants to know when unsent has fallen
	ended     atomic.Bool   // nothing more comes from the peer, and all that came is used; set with mu held

	// The incoming side, guarded by mu. A poller or the worker holds it while
	// input is read and handled; whoever holds it may take notes and queues,
	// never the other way round.
	mu        sync.Mutex
	since     uint32 // tick at which the stage of its life began, or its turn to leave came
	reader    ws.Reader
	session   bridge.Session        // changed by the worker only, which therefore reads it without mu
	req       *request              // what is collected before a session is open
	rest      *kept                 // input that waits while the connection is stalled
	held      int                   // bytes of input that the budget knows of
	costly    *costly               // nil: no costly message is being worked on
	lane      *lane                 // its place among the costly messages, once it has sent one; theirs
	turn      int                   // what was handled in this turn, in bytes
	opened    time.Duration         // when the session opened, from the server's start
	who       *standing             // nil where clients need not log in
	id        uint64                // of the session, 0 before there is one
	agent     unique.Handle[string] // what the client says it is; very many say the same
	address   netip.Addr            // of the client
	port      uint16                // likewise
	closeCode uint16                // what the session ended with, for the log; 0: the connection broke
	messages  uint32                // messages received
	kind      route.Kind
	stalled   bool // input waits until the session or request takes more, or for its turn
	yielded   bool // it is stalled for its turn, or for a costly message
	ending    bool // the peer's end is among the input that is not read yet
	counted   bool // it is counted in the limit of its address
	deflate   bool
	refused   bool // over the limit of connections: any request is answered 503

	// What others leave for the worker.
	gone bool // nothing may be left any more
	note sync.Mutex
	mail *mail // nil: nothing

	// The worker's own.
	link     wheel.Links[conn]
	backlog  *kept         // output that the kernel has not taken yet: unsent bytes
	sent     atomic.Uint64 // bytes of session output; others read it
	lastPing uint32        // tick of the last ping
}

// remote is the client's address.
func (c *conn) remote() netip.AddrPort { return netip.AddrPortFrom(c.address, c.port) }

func (c *conn) from(a netip.AddrPort) { c.address, c.port = a.Addr(), a.Port() }

// kept is bytes that most connections have none of: nil, which is none, takes a third of a slice.
type kept []byte

func keep(b []byte) *kept {
	if len(b) == 0 {
		return nil
	}
	return (*kept)(&b)
}

// with is k with b behind it.
func (k *kept) with(b []byte) *kept {
	if k == nil {
		return keep(bytes.Clone(b))
	}
	*k = append(*k, b...)
	return k
}

func (k *kept) bytes() []byte {
	if k == nil {
		return nil
	}
	return *k
}

// mail is what the worker shall do or send besides the session's own output.
type mail struct {
	raw    []byte // HTTP
	pongs  []byte // frames that answer pings, at most maxPongs of them
	hasRaw bool
	after  afterwards
	close  *closing
	opened *outcome
}

// afterwards is what happens to a connection after an HTTP response.
type afterwards uint8

const (
	keepOpen afterwards = iota
	closeAfter
)

// outcome is the bridge's answer to an open request.
type outcome struct {
	session bridge.Session
	err     error
}

// Links implements [wheel.Linked].
func (c *conn) Links() *wheel.Links[conn] { return &c.link }

// settled reports whether c is a session, neither on its way to one nor on its way out.
func (c *conn) settled() bool {
	state := c.state()
	return state.Stage() == life.Session && state != life.Lost
}

// wake queues c at its worker for the given wants. It never blocks.
func (c *conn) wake(wants uint32) {
	if c.wants.Or(wants|wantQueued)&wantQueued == 0 {
		c.w.push(c)
	}
}

// leave lets f add to what the worker finds. It reports false, without calling
// f, when the connection is gone.
func (c *conn) leave(wants uint32, f func(*mail)) bool {
	c.note.Lock()
	if c.gone {
		c.note.Unlock()
		return false
	}
	if c.mail == nil {
		c.mail = new(mail)
	}
	f(c.mail)
	c.note.Unlock()
	c.wake(wants)
	return true
}

// Wake implements [bridge.Outlet].
func (c *conn) Wake() { c.wake(wantFlush) }

// Resume implements [bridge.Outlet]. Who has sent more than its session takes waits with those that send much.
func (c *conn) Resume() { c.wake(wantRead | wantTurn) }

// End implements [bridge.Outlet].
func (c *conn) End(code codec.Code, reason string) {
	c.sendClose(closing{code: uint16(code.CloseCode()), reason: reason})
}

// RemoteAddr implements [bridge.Outlet].
func (c *conn) RemoteAddr() string { return c.remote().String() }

// remoteOf reads a peer's address.
func remoteOf(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		ap := tcp.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
