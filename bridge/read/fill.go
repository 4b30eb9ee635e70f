package read

import (
	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/latency"
)

// contextSuffix is what a session's context adds behind the fields of a
// message's object, closing brace included.
func contextSuffix(context string) string {
	object := codec.AppendContext(nil, context)
	return string(object) + "}"
}

// Fill writes what the session may be sent.
func (s *session) Fill(w bridge.Writer) {
	var frames [fetchFrames]frame
	for empty := 0; w.Room(); {
		s.mu.Lock()
		switch {
		case s.closed:
			s.mu.Unlock()
			return
		case s.asked != nil && len(s.asked.answers) > 0:
			end := s.asked.answers[0]
			s.asked.answers = s.asked.answers[1:]
			resume := s.asked.Answered()
			s.mu.Unlock()
			if resume {
				s.out.Resume()
			}
			w.Append(func(dst []byte) []byte { return codec.AppendEndOfTopic(dst, end) })
		case s.sent >= s.window:
			s.notFetching()
			s.mu.Unlock()
			return
		default:
			p := s.cursor(int(s.turn))
			if s.turn++; int(s.turn) >= s.cursors() {
				s.turn = 0
			}
			t, n, grant := p.fetch(frames[:], int(s.window-s.sent))
			s.sent += int32(n)
			if n > 0 && s.sent == s.window {
				s.readers.full.Count(true)
			}
			round := s.cursors()
			s.mu.Unlock()
			if t != nil {
				t.permit(grant)
			}
			if n > 0 {
				empty = 0
			} else if empty++; empty >= round {
				return
			}
			s.write(w, frames[:n])
		}
	}
	s.mu.Lock()
	s.notFetching()
	s.mu.Unlock()
}

// fetch takes the frames that follow into buf, at most limit. The
// session's mutex is held; the caller grants t's upstream the permits that come back.
func (p *cursor) fetch(buf []frame, limit int) (t *stream, n, grant int) {
	if p.spot.in == nil {
		return nil, 0, 0 // it is on its way from one upstream reader to another
	}
	if p.spot.in != &p.tail.stream {
		p.joinTail()
	}
	t = p.spot.in
	n, grant, ok := t.fetch(p, buf, limit)
	if !ok {
		p.fallBack()
	}
	if n > 0 {
		p.last, p.hasLast, p.from = buf[n-1].id, true, nil
	}
	return t, n, grant
}

// notFetching tells the tails that the session has run, though it took nothing.
// mu is held.
func (s *session) notFetching() {
	for i := range s.cursors() {
		p := s.cursor(i)
		if t := p.spot.in; t != nil {
			t.ran(p)
		}
	}
}

// write writes frames, and counts those together that have waited equally long.
func (s *session) write(w bridge.Writer, frames []frame) {
	if len(frames) == 0 {
		return
	}
	now := w.Now()
	var wrote latency.Run
	for i := range frames {
		f := &frames[i]
		s.writeFrame(w, f)
		wrote.Add(s.stats, int(f.payload), now-f.came)
	}
	wrote.End(s.stats)
}

// writeFrame writes a shared frame, with the session's context if it has one.
func (s *session) writeFrame(w bridge.Writer, f *frame) {
	if s.suffix == "" {
		w.Shared(f.ws)
	} else {
		object := f.ws.Payload()
		w.Append(func(dst []byte) []byte {
			return append(append(dst, object[:len(object)-1]...), s.suffix...)
		})
	}
}
