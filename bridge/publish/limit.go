package publish

import (
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/memory"
)

// publishRoom fails if n more bytes of publishes are more than all sessions may
// have together.
func (ps *Producers) publishRoom(n int64) error {
	most := ps.limits.Now().MaxPublishBytes
	if most <= 0 || ps.memory.Held(memory.Publishes)+n <= most {
		return nil
	}
	ps.tellPublishLimit()
	return &codec.Error{Code: codec.CodeUnknown, Detail: "the publishes of all sessions have used up their memory (webSocketPulsarClientMemoryLimitInMB)"}
}

// limitLines is the least time between two lines in the log about a limit that is
// reached.
const limitLines = 10 * time.Second

// reached counts what fails at a limit that has nobody else to tell the operator.
type reached struct {
	count atomic.Int64 // since the last line
	last  atomic.Int64 // when that was, in Unix nanoseconds
}

// add counts one, and returns how many there were when they are to be logged now;
// 0: not yet.
func (r *reached) add(now time.Time) int64 {
	r.count.Add(1)
	last := r.last.Load()
	if now.UnixNano()-last < int64(limitLines) || !r.last.CompareAndSwap(last, now.UnixNano()) {
		return 0
	}
	return r.count.Swap(0)
}

func (ps *Producers) tellPublishLimit() {
	if n := ps.publishLimit.add(time.Now()); n > 0 {
		ps.log.Info("publishes are answered with an error", "limit", "webSocketPulsarClientMemoryLimitInMB",
			"bytes", ps.limits.Now().MaxPublishBytes, "count", n)
	}
}
