package server

// Input is handled in turns, so that nobody waits for long because of what one
// client sends: a turn ends after turnBytes, and what is left waits for the next
// one, behind the other sockets of the worker. A message that may take longer
// than a turn is left to the [costlyMessages].

const (
	// turnBytes is the input that one socket may have handled in a turn. The worst
	// JSON that was found takes 20 ns for each byte.
	turnBytes = 32 << 10

	// messageCost is what a message costs beside its bytes, in bytes: a publish
	// takes 10 µs however short it is.
	messageCost = 512

	// inlineMessage is the longest message that is handled in a turn, unless it came
	// in a single read.
	inlineMessage = 32 << 10
)

// turnOver counts a message, and reports whether the turn ends with it. The caller
// holds mu.
func (c *conn) turnOver(bytes int) bool {
	c.turn += messageCost + bytes + c.reader.TakeWork()
	if c.turn < turnBytes {
		return false
	}
	c.stalled, c.yielded = true, true
	c.wake(wantRead)
	return true
}

// leftover gives what came before c's socket was closed another turn. It reports
// whether there is more, or a costly message is not finished; then c is served
// again.
func (w *worker) leftover(c *conn) (more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.listens() || !c.yielded || c.s.ctx.Err() != nil {
		return false
	}
	c.receive(w.buf, false) // of the socket there is nothing more
	return c.listens() && c.yielded
}

// handsOver reports whether a drain has to wait for what c, whose turn to leave has
// come, has sent before. The caller holds mu.
func (w *worker) handsOver(c *conn) bool {
	return c.yielded && int32(w.s.now()-c.since) < int32(w.s.set().ticks.close)
}
