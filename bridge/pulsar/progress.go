package pulsar

import (
	"sync"

	"github.com/pulsegate/pulsegate/codec"
)

// progress is how far a reader has come in each partition.
type progress struct {
	mu sync.Mutex
	at map[int32]codec.MessageID // the furthest
}

// note says that everything up to a message was delivered, or is none of the reader's.
func (p *progress) note(partition int32, id *codec.MessageID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.at[partition]
	if ok && reached(&at, id) {
		return
	}
	if p.at == nil {
		p.at = map[int32]codec.MessageID{}
	}
	p.at[partition] = *id
}

// reached reports that all up to a partition's last message was noted.
func (p *progress) reached(last *codec.MessageID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.at[last.Partition]
	return ok && reached(&at, last)
}
