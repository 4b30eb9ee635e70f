package server

import (
	"context"
	"errors"
	"io"
	"time"
)

// streamInput is the connection's input behind the head, as [http.ReadRequest] reads it.
// The caller of Read holds bodyMu, but for the head.
type streamInput stream

// Read implements [io.Reader]. It waits for input.
func (in *streamInput) Read(b []byte) (int, error) {
	st := (*stream)(in)
	if !st.begun { // the head was complete, so nothing more is asked for
		return 0, io.ErrUnexpectedEOF
	}
	for len(st.have) == 0 {
		waits, err := st.takeInput()
		if err != nil {
			return 0, err
		}
		if !waits {
			break
		}
		if err := st.sayContinue(); err != nil {
			return 0, err
		}
		select {
		case <-st.more:
		case <-st.over:
			return 0, errStreamOver
		case <-st.ctx.Done():
			return 0, context.Cause(st.ctx)
		}
	}
	st.touch()
	n := copy(b, st.have)
	st.have = st.have[n:]
	return n, nil
}

// takeInput exchanges the buffers of st and of its connection. waits: there is nothing yet.
func (st *stream) takeInput() (waits bool, err error) {
	c := st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.state().Works() || c.req.stream != st {
		return false, errStreamGone
	}
	r := c.req
	if len(r.buf) == 0 {
		if c.ended.Load() {
			return false, io.ErrUnexpectedEOF
		}
		return true, nil
	}
	st.have, r.buf, st.spare = r.buf, st.spare[:0], r.buf
	r.spent, r.taken = 0, r.spent+cap(st.spare)
	if c.stalled {
		c.stalled = false
		c.wake(wantRead)
	}
	c.countInput()
	return false, nil
}

// streamBody is the body of a request.
type streamBody stream

// Read implements [io.Reader].
func (b *streamBody) Read(p []byte) (int, error) {
	st := (*stream)(b)
	st.bodyMu.Lock()
	defer st.bodyMu.Unlock()
	return st.readBody(p)
}

// readBody is Read for a caller that holds bodyMu.
func (st *stream) readBody(p []byte) (int, error) {
	switch {
	case st.ended.Load():
		return 0, io.EOF
	case st.failed != nil:
		return 0, st.failed
	}
	n, err := st.body.Read(p)
	if err == io.EOF {
		st.ended.Store(true)
	} else if err != nil {
		st.failed = err
		st.broken.Store(!errors.Is(err, errStreamOver) && st.ctx.Err() == nil)
	}
	return n, err
}

// Close implements [io.Closer]. What is left is dealt with when the handler has returned.
func (*streamBody) Close() error { return nil }

// stopBody ends every read of the body. When it returns none is under way.
func (st *stream) stopBody() {
	st.stop()
	st.bodyMu.Lock()
	defer st.bodyMu.Unlock()
	if !st.ended.Load() && st.failed == nil {
		st.failed = errStreamOver
	}
}

// endBody reads what little may be left of the body, unless the client still waits to be
// asked for it. whole: all of it was read, and left is what came behind it.
func (st *stream) endBody() (left []byte, whole bool) {
	if !st.unasked() {
		late := time.AfterFunc(discardTime, st.stop)
		_, _ = io.CopyN(io.Discard, (*streamBody)(st), discardMost)
		late.Stop()
	}
	st.stopBody()
	st.bodyMu.Lock()
	defer st.bodyMu.Unlock()
	if !st.ended.Load() {
		return nil, false
	}
	left, _ = st.in.Peek(st.in.Buffered())
	return append(append([]byte(nil), left...), st.have...), true
}
