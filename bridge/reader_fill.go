package bridge

import "github.com/pulsegate/pulsegate/codec"

// contextSuffix is what a session's context adds behind the fields of a
// message's object, closing brace included.
func contextSuffix(context string) string {
	object := codec.AppendContext(nil, context)
	return string(object) + "}"
}

// Fill writes what the session may be sent.
func (s *readerSession) Fill(w Writer) {
	var frames [fetchFrames]tailFrame
	for empty := 0; w.Room(); {
		s.mu.Lock()
		switch {
		case s.closed:
			s.mu.Unlock()
			return
		case s.asked != nil && len(s.asked.answers) > 0:
			end := s.asked.answers[0]
			s.asked.answers = s.asked.answers[1:]
			resume := s.asked.answered()
			s.mu.Unlock()
			if resume {
				s.out.Resume()
			}
			w.Append(func(dst []byte) []byte { return codec.AppendEndOfTopic(dst, end) })
		case s.sent >= s.opts.Window:
			s.notFetching()
			s.mu.Unlock()
			return
		default:
			p := s.place(s.turn)
			if s.turn++; s.turn == s.places() {
				s.turn = 0
			}
			t, n, grant := p.fetch(frames[:], s.opts.Window-s.sent)
			s.sent += n
			s.mu.Unlock()
			if grant > 0 {
				t.up.Permit(grant)
			}
			if n > 0 {
				empty = 0
			} else if empty++; empty == s.places() {
				return
			}
			for i := range frames[:n] {
				s.writeFrame(w, &frames[i])
			}
		}
	}
	s.mu.Lock()
	s.notFetching()
	s.mu.Unlock()
}

// fetch takes the frames that follow into buf, at most limit. Called with the
// session's mutex held; the caller grants t's upstream the permits that come back.
func (p *place) fetch(buf []tailFrame, limit int) (t *tail, n, grant int) {
	if p.cur.in == nil {
		return nil, 0, 0 // it is on its way from one upstream reader to another
	}
	if p.cur.in != p.t {
		p.joinTail()
	}
	t = p.cur.in
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
// Called with mu held.
func (s *readerSession) notFetching() {
	for i := range s.places() {
		p := s.place(i)
		t := p.cur.in
		if t == nil {
			continue
		}
		t.mu.Lock()
		grant := t.served(p)
		t.mu.Unlock()
		if grant > 0 {
			t.up.Permit(grant)
		}
	}
}

// writeFrame writes a shared frame, with the session's context if it has one.
func (s *readerSession) writeFrame(w Writer, f *tailFrame) {
	if s.suffix == "" {
		w.Shared(f.frame)
	} else {
		object := f.frame.Payload()
		w.Append(func(dst []byte) []byte {
			return append(append(dst, object[:len(object)-1]...), s.suffix...)
		})
	}
	s.b.stats.delivered(s.stats, int64(f.payload))
}
