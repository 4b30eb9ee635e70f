package server

import (
	"bufio"
	"bytes"
	"context"
	stdtls "crypto/tls"
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/server/http1"
	"github.com/pulsegate/pulsegate/server/life"
)

const (
	// streamIdle ends a streamed request over which nothing went for so long, in either direction.
	streamIdle = 5 * time.Minute

	// discardMost and discardTime bound what is read of a body that the handler has not
	// taken, so that the connection can be kept.
	discardMost = 256 << 10
	discardTime = time.Second
)

var (
	errStreamIdle = errors.New("nothing was sent or received for too long")
	errStreamGone = errors.New("the client's connection has ended")
	errStreamOver = errors.New("the request is over")
)

// metricsPath is where the metrics are. With [Options.Broker] the usual path is the broker's.
func (s *Server) metricsPath() string {
	if s.o.Broker != nil {
		return "/pulsegate/metrics"
	}
	return "/metrics"
}

// isBrokers reports whether a request for path, as it came, is handed to [Options.Broker].
func (s *Server) isBrokers(path string) bool {
	if s.o.Broker == nil || strings.HasPrefix(path, "/ws/") {
		return false
	}
	if _, ok := statsPath(path); ok {
		return false
	}
	if s.isPage(path) {
		return false
	}
	return path != pathHealth && path != pathReady && path != pathProtocol && path != s.metricsPath() && path != s.metricsPath()+"/"
}

// stream is a request whose body and answer go through in pieces, however long they
// are: the handler runs on a goroutine of its own, reads the body as it comes and waits
// while the client takes no more of the answer. The connection stays what it was: its
// poller and worker read and write, and the next request on it may open a session.
//
// Input that the handler has not read is bounded by maxPending and one read, and twice
// that with what the handler's side holds; output that the client has not taken by
// Server.unreadBound and one write of the handler's.
//
// The body's fields are under bodyMu, which a read holds while it waits; those that say
// whether the client was asked and answered are under headMu; the rest of the head belongs to the
// handler. Anyone may use the channels. Locks are taken in this order: bodyMu, headMu, conn.mu.
type stream struct {
	c      *conn
	ctx    context.Context
	cancel context.CancelCauseFunc
	idle   *time.Timer
	more   chan struct{} // holds one: there is more input, or its end
	room   chan struct{} // holds one: the client has taken output
	over   chan struct{} // closed: the body is not read any more
	stop   func()        // closes it

	bodyMu sync.Mutex
	in     *bufio.Reader // the head and what follows it
	begun  bool          // the head was read
	have   []byte        // input taken from conn
	spare  []byte        // the buffer that have was in
	body   io.ReadCloser
	failed error // why no more of it can be read

	ended  atomic.Bool // the body was read to its end
	broken atomic.Bool // it is malformed, or its end does not come

	headMu  sync.Mutex
	head    responseHead
	waits   bool // the client may wait for a 100
	said100 bool
}

// newStream reads the head of a request whose body is to follow in c.req.buf. The
// caller holds mu.
func newStream(c *conn, h *http1.Head, text []byte) (*stream, *http.Request, error) {
	st := &stream{
		c: c, waits: h.Waits,
		more: make(chan struct{}, 1), room: make(chan struct{}, 1), over: make(chan struct{}),
	}
	st.stop = sync.OnceFunc(func() { close(st.over) })
	st.in = bufio.NewReader(io.MultiReader(bytes.NewReader(bytes.Clone(text)), (*streamInput)(st)))
	req, err := http.ReadRequest(st.in)
	if err != nil {
		return nil, nil, err
	}
	st.begun, st.body = true, req.Body
	st.ended.Store(req.ContentLength == 0)
	st.head.http11, st.head.noBody = h.HTTP11, req.Method == http.MethodHead
	req.Body = (*streamBody)(st)
	if st.ended.Load() {
		req.Body = http.NoBody
	}
	return st, req, nil
}

// stream begins the work on a request for the broker. The caller holds mu.
func (c *conn) stream(h *http1.Head, text []byte, used int) {
	s := c.s
	if s.draining.Load() {
		c.refuse(http1.Refused(http.StatusServiceUnavailable, errDraining.Error()))
		return
	}
	if s.o.Memory.Exhausted() {
		s.o.Memory.Refused()
		c.refuse(http1.OverLimit(limitMemory, http.StatusServiceUnavailable, "the server's memory is used up, try again later"))
		return
	}
	st, req, err := newStream(c, h, text)
	if err != nil {
		c.refuseMalformed(h)
		return
	}
	if !s.streams.take() {
		c.refuse(http1.OverLimit(limitRequests, http.StatusServiceUnavailable, "too many concurrent requests"))
		return
	}
	if req.TLS = c.clientTLS(); req.TLS == nil && c.tls != nil {
		req.TLS = &stdtls.ConnectionState{HandshakeComplete: true}
	}
	req.RemoteAddr = c.remote().String()
	st.head.closes = !h.KeepsAlive(req.Header) || c.refused
	c.req.spend(used)
	st.ctx, st.cancel = context.WithCancelCause(s.ctx)
	st.idle = time.AfterFunc(s.o.streamIdle, func() { st.cancel(errStreamIdle) })
	c.req.stream, c.req.cancel = st, func() { st.cancel(errStreamGone) }
	c.on(life.Asked)
	s.handlers.Add(1)
	go func() {
		defer s.handlers.Done()
		defer s.streams.give()
		defer st.cancel(errStreamOver)
		defer st.idle.Stop()
		st.serve(req)
	}()
}

// serve runs the handler and ends the answer.
func (st *stream) serve(req *http.Request) {
	// The key makes a reverse proxy tell by a panic that an answer was cut off.
	ctx := context.WithValue(st.ctx, http.ServerContextKey, &http.Server{})
	if !st.run(req.WithContext(ctx)) {
		st.abort()
		return
	}
	if st.endAnswer() != nil {
		st.abort()
		return
	}
	after := closeAfter
	if left, ok := st.endBody(); ok && !st.head.closes {
		after = keepOpen
		st.giveBack(left)
	}
	st.c.leave(wantFlush, func(m *mail) { m.hasRaw, m.after = true, after })
}

// run reports whether the answer may be ended as a whole one.
func (st *stream) run(req *http.Request) (whole bool) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			st.c.s.panicked("serving "+req.URL.Path, p, debug.Stack())
		}
	}()
	st.c.s.o.Broker.ServeHTTP(st, req)
	return true
}

// abort cuts the connection, so that the client knows that the answer is not whole.
func (st *stream) abort() {
	st.stopBody()
	c := st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.state().Works() {
		return
	}
	c.req.stream, c.req.cancel = nil, nil
	c.whileOpen(func() { _ = c.nc.SetLinger(1, 0) })
	c.on(life.Cut)
	c.wake(wantLook)
}

// giveBack returns input that is the next request's.
func (st *stream) giveBack(left []byte) {
	c := st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.req == nil || !c.state().Works() {
		return
	}
	if len(left) > 0 {
		c.req.buf, c.req.spent, c.req.scanned = append(left, c.req.buf...), 0, 0
	}
	c.req.stream, c.req.taken = nil, 0
	c.countInput()
}

// touch puts the idle timeout off.
func (st *stream) touch() { st.idle.Reset(st.c.s.o.streamIdle) }

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// inputCame tells a stream that there is more input, or its end. The caller holds mu.
func (c *conn) inputCame() {
	if c.req != nil && c.req.stream != nil {
		signal(c.req.stream.more)
	}
}

// outputTaken lets a stream write on when little enough waits for the client.
func (w *worker) outputTaken(c *conn) {
	if unsent := c.unsent.Load(); unsent > 0 && unsent >= int64(w.s.unreadBound())/2 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.req != nil && c.req.stream != nil {
		signal(c.req.stream.room)
	}
}
