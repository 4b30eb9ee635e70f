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
	for w.Room() {
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
		case len(s.queue) > 0:
			s.writeOwn(w)
		case s.cur.in != nil:
			if s.cur.in != s.t {
				s.joinTail()
			}
			t := s.cur.in
			n, grant, ok := t.fetch(s, frames[:], s.opts.Window-s.sent)
			if !ok {
				s.fallBack()
			}
			if n > 0 {
				s.sent += n
				s.last, s.hasLast, s.from = frames[n-1].id, true, nil
			}
			s.mu.Unlock()
			if grant > 0 {
				t.up.Permit(grant)
			}
			if n == 0 {
				return
			}
			for i := range frames[:n] {
				s.writeFrame(w, &frames[i])
			}
		default:
			s.mu.Unlock()
			return
		}
	}
	s.mu.Lock()
	s.notFetching()
	s.mu.Unlock()
}

// notFetching tells the tail that the session has run, though it took nothing.
// Called with mu held.
func (s *readerSession) notFetching() {
	t := s.cur.in
	if t == nil {
		return
	}
	t.mu.Lock()
	grant := t.served(s)
	t.mu.Unlock()
	if grant > 0 {
		t.up.Permit(grant)
	}
}

// writeOwn writes the first message of the queue. Called with mu held, which it gives back.
func (s *readerSession) writeOwn(w Writer) {
	m := s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	if len(s.queue) == 0 {
		s.queue = nil
	}
	s.sent++
	o, grant := s.own, 0
	if o != nil {
		grant = o.topUp()
	}
	s.mu.Unlock()
	if grant > 0 {
		o.up.Permit(grant)
	}
	w.Append(func(dst []byte) []byte { return codec.AppendMessage(dst, m, s.opts.Format) })
	s.b.stats.delivered(s.stats, int64(len(m.Payload)))
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
