package publish

import (
	"log/slog"

	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/memory"
)

// publishRoom fails if n more bytes of publishes are more than all sessions may
// have together; or, unless they are few, if there is no memory left. How much a frame takes is known only now: what is in it may take many times
// its length.
func (ps *Producers) publishRoom(n int64) error {
	if n > memory.Least && ps.memory.Exhausted() {
		ps.memory.Refused()
		return &codec.Error{Code: codec.CodeUnknown, Detail: "the server is short of memory, try again later"}
	}
	most := ps.limits.Now().MaxPublishBytes
	if most <= 0 || ps.memory.Held(memory.Publishes)+n <= most {
		return nil
	}
	ps.tellPublishLimit()
	return &codec.Error{Code: codec.CodeUnknown, Detail: "the publishes of all sessions have used up their memory (webSocketPulsarClientMemoryLimitInMB)"}
}

func (ps *Producers) tellPublishLimit() {
	ps.publishLimit.Log(ps.log, slog.LevelInfo, "publishes are answered with an error", "limit", "webSocketPulsarClientMemoryLimitInMB",
		"bytes", ps.limits.Now().MaxPublishBytes)
}
