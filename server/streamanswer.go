package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/pulsegate/pulsegate/server/http1"
)

// responseHead is how an answer is framed (RFC 9112 section 6).
type responseHead struct {
	header  http.Header
	http11  bool // the client speaks it
	noBody  bool // the answer has none
	written bool
	chunked bool
	counted bool  // it has a Content-Length
	left    int64 // bytes that are still to come, if counted
	closes  bool  // the connection ends with the answer
}

// Header implements [http.ResponseWriter].
func (st *stream) Header() http.Header {
	if st.head.header == nil {
		st.head.header = http.Header{}
	}
	return st.head.header
}

// WriteHeader implements [http.ResponseWriter].
func (st *stream) WriteHeader(status int) { _ = st.writeHead(status) }

func (st *stream) writeHead(status int) error {
	if status == http.StatusContinue {
		return st.sayContinue()
	}
	st.headMu.Lock()
	defer st.headMu.Unlock()
	h := &st.head
	if h.written {
		return nil
	}
	if status < http.StatusOK {
		if !h.http11 {
			return nil
		}
		return st.send(append(http1.AppendFields(http1.StatusLine(status), h.header), "\r\n"...))
	}
	h.written = true
	h.closes = h.closes || st.waits && !st.said100 && !st.ended.Load() || st.c.s.leaving.Load()
	header := h.header.Clone()
	for _, name := range []string{"Connection", "Transfer-Encoding", "Trailer"} {
		header.Del(name)
	}
	b := http1.StatusLine(status)
	if header.Get("Date") == "" {
		b = append(time.Now().UTC().AppendFormat(append(b, "Date: "...), http.TimeFormat), "\r\n"...)
	}
	h.noBody = h.noBody || status == http.StatusNoContent || status == http.StatusNotModified
	if status == http.StatusNoContent {
		header.Del("Content-Length")
	}
	n, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	switch h.counted = err == nil && n >= 0; {
	case h.counted:
		h.left = n
	case h.noBody:
		header.Del("Content-Length")
	case h.http11:
		header.Del("Content-Length")
		h.chunked = true
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	default:
		header.Del("Content-Length")
		h.closes = true
	}
	if h.closes {
		b = append(b, "Connection: close\r\n"...)
	}
	return st.send(append(http1.AppendFields(b, header), "\r\n"...))
}

// Write implements [http.ResponseWriter]. It waits while the client does not take what was written.
func (st *stream) Write(p []byte) (int, error) {
	if err := st.writeHead(http.StatusOK); err != nil {
		return 0, err
	}
	h := &st.head
	if h.noBody || len(p) == 0 {
		return len(p), nil
	}
	var err error
	switch {
	case h.chunked:
		err = st.send(append(strconv.AppendInt(nil, int64(len(p)), 16), "\r\n"...), p, []byte("\r\n"))
	case h.counted && int64(len(p)) > h.left:
		return 0, http.ErrContentLength
	default:
		h.left -= int64(len(p)) // counts if counted
		err = st.send(p)
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// endAnswer writes what follows the last piece. It is an error if the answer is not whole.
func (st *stream) endAnswer() error {
	if err := st.writeHead(http.StatusOK); err != nil {
		return err
	}
	switch h := &st.head; {
	case h.noBody:
	case h.counted && h.left > 0:
		return io.ErrUnexpectedEOF
	case h.chunked:
		return st.send([]byte("0\r\n\r\n"))
	}
	return nil
}

// send hands the pieces to the client's worker and waits until little enough of them is left.
func (st *stream) send(pieces ...[]byte) error {
	select {
	case <-st.room: // of what was sent before
	default:
	}
	left := st.c.leave(wantFlush, func(m *mail) {
		for _, b := range pieces {
			m.raw = append(m.raw, b...)
		}
	})
	if !left {
		return errStreamGone
	}
	select {
	case <-st.room:
		st.touch()
		return nil
	case <-st.ctx.Done():
		return context.Cause(st.ctx)
	}
}

// sayContinue asks a client for the body that it may keep back until it is asked.
func (st *stream) sayContinue() error {
	st.headMu.Lock()
	defer st.headMu.Unlock()
	if !st.waits || st.said100 || st.head.written {
		return nil
	}
	st.said100 = true
	if !st.c.leave(wantFlush, func(m *mail) { m.raw = append(m.raw, "HTTP/1.1 100 Continue\r\n\r\n"...) }) {
		return errStreamGone
	}
	return nil
}

// unasked reports whether the client may not send the body, as nobody has asked for it.
func (st *stream) unasked() bool {
	st.headMu.Lock()
	defer st.headMu.Unlock()
	return st.waits && !st.said100
}

// StreamFault is why the request that w answers has failed, if that is not the handler's
// doing: what to tell the client. ok is false when there is nothing of that kind.
func StreamFault(w http.ResponseWriter) (status int, reason string, ok bool) {
	st, streamed := w.(*stream)
	if !streamed {
		return 0, "", false
	}
	switch cause := context.Cause(st.ctx); {
	case errors.Is(cause, errStreamIdle):
		return http.StatusGatewayTimeout, errStreamIdle.Error(), true
	case cause != nil:
		return http.StatusServiceUnavailable, "the connection or the server has ended", true
	}
	if st.broken.Load() {
		return http.StatusBadRequest, "the request body is malformed or incomplete", true
	}
	return 0, "", false
}
