package server

import (
	stdtls "crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/lesismal/llib/std/crypto/tls"
)

// tlsConn is the TLS side of a connection: bytes in, bytes out, no socket. The
// poller and the worker read and write the socket as they do without TLS; what
// they read goes through [tlsConn.read], what they write through [tlsConn.seal].
//
// During the handshake conn belongs to whoever runs [conn.handshakeStep], one
// goroutine at a time. Afterwards mu guards it: reading may answer by itself (a
// key update, an alert) while the worker writes. mu is held for the work on one
// record when reading, and nothing else is locked under it.
//
// An idle session holds no buffer and nothing of the handshake, see [forget].
type tlsConn struct {
	conn *tls.Conn

	mu    sync.Mutex
	ready bool    // the handshake is complete
	out   []byte  // records made on another goroutine than the worker, to be written before any other
	sink  *[]byte // where conn's output goes now
	spent int     // bytes of records that only answer records of the peer's

	hs *tlsHandshake // guarded by conn.mu; nil once a session is open

	bye bool // our close_notify is written; the worker's
}

// tlsHandshake is what a connection needs until it is a session.
type tlsHandshake struct {
	in       []byte            // input that nobody works on yet
	stepping bool              // the handshake is queued or worked on
	begun    bool              // a step was done; of who runs the steps
	peer     *x509.Certificate // the client's verified certificate
}

func newTLSConn(config *tls.Config) *tlsConn {
	t := &tlsConn{hs: &tlsHandshake{}}
	t.conn = tls.NewConn((*tlsSink)(t), config, false, true, tlsBuffers)
	return t
}

// clientTLS tells a request of the certificate that its client has shown, verified
// up to a trusted authority; nil if there is none. The caller holds mu.
func (c *conn) clientTLS() *stdtls.ConnectionState {
	if c.tls == nil || c.tls.hs == nil || c.tls.hs.peer == nil {
		return nil
	}
	chain := []*x509.Certificate{c.tls.hs.peer}
	return &stdtls.ConnectionState{HandshakeComplete: true, PeerCertificates: chain, VerifiedChains: [][]*x509.Certificate{chain}}
}

// secured reports whether input has to be decrypted. The caller holds mu.
func (c *conn) secured() bool {
	return c.tls != nil && c.phase >= phaseHead && c.phase <= phaseClosing
}

// maxTLSAnswers bounds the bytes of records that answer a peer's over the life
// of a connection, or one that asks for new keys without end and does not read
// would fill the memory. It is a few thousand key updates, of which a client needs
// one in very many gigabytes.
const maxTLSAnswers = 64 << 10

var errTLSAnswers = errors.New("too many TLS key updates")

// read decrypts up to one record into buf. It returns 0 and no error when more
// input is needed. sends says that there is something to write.
func (t *tlsConn) read(buf []byte) (n int, sends bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sink = &t.out
	before := len(t.out)
	n, err = t.conn.Read(buf)
	t.sink = nil
	if t.spent += len(t.out) - before; t.spent > maxTLSAnswers {
		return 0, true, errTLSAnswers
	}
	if n == 0 {
		t.conn.ResetOrFreeBuffer() // llib would keep what it has read until all of it is used up
		forgetInput(t.conn)
	}
	return n, len(t.out) > 0, err
}

// append takes input that was read from the socket.
func (t *tlsConn) append(data []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := t.conn.Append(data)
	return err
}

// seal makes records of plain and puts them behind what else is to be written,
// all in dst. Only the worker calls it, and it writes the result at once: the
// order in which records are made is the order in which they have to leave.
func (t *tlsConn) seal(dst *[]byte, plain []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if cap(*dst) > keptOutput {
		*dst = nil
	}
	*dst = append((*dst)[:0], t.out...)
	t.out = nil
	if len(plain) > 0 && t.ready {
		t.sink = dst
		// An error means that the connection has failed already; an alert says so.
		_, _ = t.conn.Write(plain)
		t.sink = nil
	}
}

// farewell puts a close_notify alert into the output, so that the peer knows
// that nothing was cut off (RFC 8446 section 6.1).
func (t *tlsConn) farewell() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ready {
		t.sink = &t.out
		_ = t.conn.CloseWrite()
		t.sink = nil
	}
}

// tlsSink is what llib believes to be the socket. Only what it writes counts:
// in its non-blocking mode input is given to it.
type tlsSink tlsConn

func (s *tlsSink) Write(p []byte) (int, error) {
	if s.sink != nil {
		*s.sink = append(*s.sink, p...)
	}
	return len(p), nil
}

func (*tlsSink) Read([]byte) (int, error)         { return 0, net.ErrClosed }
func (*tlsSink) Close() error                     { return nil }
func (*tlsSink) LocalAddr() net.Addr              { return nil }
func (*tlsSink) RemoteAddr() net.Addr             { return nil }
func (*tlsSink) SetDeadline(time.Time) error      { return nil }
func (*tlsSink) SetReadDeadline(time.Time) error  { return nil }
func (*tlsSink) SetWriteDeadline(time.Time) error { return nil }
