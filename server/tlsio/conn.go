// Package tlsio is the TLS side of a connection: bytes in, bytes out, no socket. It is
// llib's TLS without a goroutine for a connection, made small for one that is idle.
//
// No goroutine runs here. A [Conn]'s comment says who may call what.
package tlsio

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/lesismal/llib/std/crypto/tls"
)

// Conn is the TLS side of a connection: what was read from its socket goes through
// [Conn.Append] and [Conn.Read], what is to be written through [Conn.Seal].
//
// During the handshake conn belongs to whoever calls [Conn.Handshake], one
// goroutine at a time. Afterwards mu guards it: reading may answer by itself (a
// key update, an alert) while another goroutine writes. mu is held for the work on one
// record when reading, and nothing else is locked under it.
//
// An idle session holds no buffer and nothing of the handshake, see llib.go.
type Conn struct {
	conn *tls.Conn

	mu    sync.Mutex
	ready bool    // the handshake is complete
	bye   bool    // our close_notify is made
	out   []byte  // records made on another goroutine than the one that seals, to be written before any other
	sink  *[]byte // where conn's output goes now
	spent int     // bytes of records that only change keys, the peer's and our answers
}

// New makes the server's side.
func New(config *tls.Config) *Conn {
	t := &Conn{}
	t.conn = tls.NewConn((*sink)(t), config, false, true, buffers)
	return t
}

// Handshake runs the handshake as far as the input goes. out is for [Conn.Queue], also
// with an error: it may be an alert. complete: this was the last step.
func (t *Conn) Handshake(in []byte) (out []byte, complete bool, err error) {
	t.sink = &out
	defer func() { t.sink = nil }()
	if _, err := t.conn.Append(in); err != nil {
		return out, false, err
	}
	if _, err := t.conn.Read(nil); err != nil {
		return out, false, err
	}
	t.conn.ResetOrFreeBuffer()
	return out, t.conn.ConnectionState().HandshakeComplete, nil
}

// Complete is called once behind the last step of the handshake, and returns what was
// agreed on. What only the handshake needed is forgotten.
func (t *Conn) Complete() tls.ConnectionState {
	state := t.conn.ConnectionState()
	forgetHandshake(t.conn)
	return state
}

// Queue puts records in front of all that is sealed from now on.
func (t *Conn) Queue(records []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.out = append(t.out, records...)
}

// Ready lets output be sealed. The handshake is complete and its records are queued.
func (t *Conn) Ready() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ready = true
}

const (
	// MaxRead is how much is to be given to [Conn.Append] at once after the handshake. With the
	// beginning of a record before it, and a record's plaintext that waits elsewhere, it is 64 KiB.
	MaxRead = 31 << 10

	// MaxUpdates bounds the bytes of records that only change keys, and of those that answer them, over the
	// life of a connection: a peer could keep a processor busy with them, as 64 KiB of them
	// take 14 ms, or fill the memory with answers. It is more than a thousand key updates, of
	// which a client needs one in very many gigabytes.
	MaxUpdates = 64 << 10
)

var (
	errUpdates = errors.New("too many TLS key updates")
	errMessage = errors.New("a TLS handshake message that is too long after the handshake")
)

// Read decrypts up to one record into buf, which has room for that. It returns 0 and no error when more
// input is needed. sends says that there is something to write.
func (t *Conn) Read(buf []byte) (n int, sends bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sink = &t.out
	answers, records, keys := len(t.out), waiting(t.conn), readKeys(t.conn)
	n, err = t.conn.Read(buf)
	t.sink = nil
	if readKeys(t.conn) != keys {
		t.spent += records - waiting(t.conn) - n
	}
	if t.spent += len(t.out) - answers; t.spent > MaxUpdates {
		return 0, true, errUpdates
	}
	if heldIn(t.conn, messagesIn) > smallBuffer { // that of a key update is 5 bytes long
		return 0, true, errMessage
	}
	forgetInput(t.conn) // all of it is in buf
	if n == 0 {
		t.conn.ResetOrFreeBuffer() // llib would keep what it has read until all of it is used up
		fitInput(t.conn)
	}
	return n, len(t.out) > 0, err
}

// Held is how much memory there is for input, in bytes: of records whose rest has not come, or that wait to be read. It is not
// called while the handshake is worked on.
func (t *Conn) Held() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return heldInput(t.conn)
}

// Append takes input that was read from the socket.
func (t *Conn) Append(data []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := t.conn.Append(data)
	return err
}

// Seal makes records of plain and puts them behind what else is to be written,
// all in dst. One goroutine calls it, and writes the result at once: the
// order in which records are made is the order in which they have to leave.
func (t *Conn) Seal(dst *[]byte, plain []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*dst = append((*dst)[:0], t.out...)
	t.out = nil
	if len(plain) > 0 && t.ready {
		t.sink = dst
		// An error means that the connection has failed already; an alert says so.
		_, _ = t.conn.Write(plain)
		t.sink = nil
	}
}

// Farewell puts a close_notify alert behind the output, so that the peer knows
// that nothing was cut off (RFC 8446 section 6.1). It reports whether there is now one
// to be sealed; there is at most once.
func (t *Conn) Farewell() (first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first, t.bye = !t.bye, true
	if first && t.ready {
		t.sink = &t.out
		_ = t.conn.CloseWrite()
		t.sink = nil
	}
	return first
}

// sink is what llib believes to be the socket. Only what it writes counts:
// in its non-blocking mode input is given to it.
type sink Conn

func (s *sink) Write(p []byte) (int, error) {
	if s.sink != nil {
		*s.sink = append(*s.sink, p...)
	}
	return len(p), nil
}

func (*sink) Read([]byte) (int, error)         { return 0, net.ErrClosed }
func (*sink) Close() error                     { return nil }
func (*sink) LocalAddr() net.Addr              { return nil }
func (*sink) RemoteAddr() net.Addr             { return nil }
func (*sink) SetDeadline(time.Time) error      { return nil }
func (*sink) SetReadDeadline(time.Time) error  { return nil }
func (*sink) SetWriteDeadline(time.Time) error { return nil }
