package publish

import (
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

func (ps *Producers) tellPublishLimit() {
	if n := ps.publishLimit.Add(time.Now()); n > 0 {
		ps.log.Info("publishes are answered with an error", "limit", "webSocketPulsarClientMemoryLimitInMB",
			"bytes", ps.limits.Now().MaxPublishBytes, "count", n)
	}
}
