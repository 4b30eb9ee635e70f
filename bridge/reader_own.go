package bridge

import (
	"context"

	"github.com/pulsegate/pulsegate/codec"
)

// ownReader is an upstream reader of one session. Its state is guarded by the
// session's mutex; up is constant once the session knows the ownReader.
type ownReader struct {
	s       *readerSession
	up      Reader
	granted int // permits up holds
	ahead   ahead
	lost    error // why up ended for good
}

// startOwn gives the session a reader of its own, without permits yet.
func (s *readerSession) startOwn(ctx context.Context, spec ReaderSpec) error {
	o := &ownReader{s: s}
	spec.Queue = min(max(spec.Queue, 1), aheadMessages)
	release, err := s.b.slot(ctx, spec.Topic)
	if err != nil {
		return err
	}
	o.up, err = s.b.up.OpenReader(ctx, spec, o)
	release()
	if err != nil {
		return err
	}
	s.b.stats.upstreamReaders.Add(1)
	s.mu.Lock()
	closed, lost := s.closed, o.lost
	if !closed && lost == nil {
		s.own = o
	}
	s.mu.Unlock()
	if closed || lost != nil {
		o.close()
	}
	return lost
}

// topUp returns how many permits the upstream gets now. Called with the session's mutex held.
func (o *ownReader) topUp() int {
	s := o.s
	n := min(s.opts.Window-s.sent, o.ahead.count()) - len(s.queue) - o.granted
	if n <= 0 {
		return 0
	}
	o.granted += n
	return n
}

// close ends the upstream reader. The session does not know it any more.
func (o *ownReader) close() {
	o.s.b.goClose(func() {
		o.up.Close()
		o.s.b.stats.upstreamReaders.Add(-1)
	})
}

// Deliver queues one message: [Receiver].
func (o *ownReader) Deliver(m *codec.Message) {
	s := o.s
	s.mu.Lock()
	if s.own != o {
		s.mu.Unlock()
		return // closed: what was under way is not wanted any more
	}
	o.granted--
	o.ahead.note(m)
	s.queue = append(s.queue, m)
	s.mu.Unlock()
	s.out.Wake()
}

// Lost ends the session: [Receiver].
func (o *ownReader) Lost(err error) {
	o.s.mu.Lock()
	o.lost = err
	mine := o.s.own == o
	o.s.mu.Unlock()
	if mine {
		o.s.out.End(codec.CodeUnknown, err.Error())
	}
}
