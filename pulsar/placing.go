package pulsar

import (
	"math"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// EarliestMessageID and LatestMessageID stand for the two ends of a topic where a subscription may begin.
var (
	EarliestMessageID = MessageID{LedgerID: -1, EntryID: -1, Partition: -1, BatchIndex: -1}
	LatestMessageID   = MessageID{LedgerID: math.MaxInt64, EntryID: math.MaxInt64, Partition: -1, BatchIndex: -1}
)

// placing is where a subscription begins, and begins again after a connection was lost: behind a message, or
// at it.
type placing struct {
	ledger, entry int64 // ledger -1: at the first message
	index         int32 // in the batch; -1: the entry as a whole
	inclusive     bool
	latest        bool  // it begins behind what the topic has, which is not known yet
	since         int64 // it begins near the first message published at that time, in ms since 1970, or later; 0: it does not

	resuming bool // what is covered may come still
	// back is the first chunk of a message that was not whole when the connection was lost, if there is one.
	back    entryKey
	hasBack bool
}

func newPlacing(o *ConsumerOptions) *placing {
	switch {
	case o.Start != nil:
		p := &placing{inclusive: o.StartInclusive, resuming: true}
		p.set(o.Start)
		p.latest = p.ledger == math.MaxInt64
		return p
	case !o.StartTime.IsZero():
		return &placing{ledger: -1, entry: -1, index: -1, since: o.StartTime.UnixMilli()}
	case o.InitialPosition == wire.Earliest:
		return &placing{ledger: -1, entry: -1, index: -1}
	}
	return &placing{latest: true, resuming: true}
}

func (p *placing) set(id *MessageID) {
	p.ledger, p.entry, p.index = id.LedgerID, id.EntryID, id.BatchIndex
	if p.ledger < 0 {
		p.ledger, p.entry, p.index = -1, -1, -1
	}
}

// start is what the broker is told. It begins with the entry that is named, as a batch may not have been delivered
// to its end; what was, is left out by covers. Chunks that were collected come again.
func (p *placing) start() *wire.MessageID {
	switch at := (entryKey{uint64(p.ledger), uint64(p.entry)}); {
	case p.latest:
		return &wire.MessageID{LedgerID: math.MaxInt64, EntryID: math.MaxInt64}
	case p.ledger < 0:
		return &wire.MessageID{LedgerID: math.MaxUint64, EntryID: math.MaxUint64}
	case p.hasBack && at.after(p.back):
		return &wire.MessageID{LedgerID: p.back.ledger, EntryID: p.back.entry, HasBatchIndex: true}
	}
	return &wire.MessageID{LedgerID: uint64(p.ledger), EntryID: uint64(p.entry), BatchIndex: max(p.index, 0), HasBatchIndex: true}
}

// clockSlack is how far a broker's clock may be off from those of producers and from ours.
const clockSlack = 10 * time.Second

// rollback is how many seconds before its now the broker is to begin; 0: it is not asked to. A broker that cannot begins
// at the first message.
func (p *placing) rollback(now time.Time) uint64 {
	if p.since == 0 {
		return 0
	}
	back := now.UnixMilli() - max(p.since, 0) + clockSlack.Milliseconds()
	return uint64(max((back+999)/1000, 1))
}

// pin makes the end that a broker has told what the subscription begins behind.
func (p *placing) pin(last *wire.MessageID) {
	*p = placing{ledger: -1, entry: -1, index: -1, resuming: true}
	if last.EntryID < math.MaxInt64 {
		p.ledger, p.entry = int64(last.LedgerID), int64(last.EntryID)
	}
}

// covers reports that a message comes before where the subscription begins. index is -1 outside of batches.
// The order of messages is that of codec.Position, which this package does not import.
func (p *placing) covers(at entryKey, index int32) bool {
	switch {
	case p.ledger < 0:
		return false
	case int64(at.ledger) != p.ledger:
		return int64(at.ledger) < p.ledger
	case int64(at.entry) != p.entry:
		return int64(at.entry) < p.entry
	case p.index < 0:
		return !p.inclusive
	}
	index = max(index, 0)
	return index < p.index || index == p.index && !p.inclusive
}

// admits reports whether a message that came is to be delivered, and notes that it is. What was asked for again is.
func (p *placing) admits(at entryKey, index int32) bool {
	covered := p.covers(at, index)
	if covered && p.resuming {
		return false
	}
	p.resuming = false
	if !covered {
		*p = placing{ledger: int64(at.ledger), entry: int64(at.entry), index: index}
	}
	return true
}

// interrupted says that what was delivered may come again, and chunks that were collected, of which back is the first.
func (p *placing) interrupted(back entryKey, hasBack bool) {
	p.resuming = true
	if hasBack {
		p.back, p.hasBack = back, true
	}
}

// entryKey names an entry of a topic.
type entryKey struct{ ledger, entry uint64 }

func (k entryKey) after(other entryKey) bool {
	return k.ledger > other.ledger || k.ledger == other.ledger && k.entry > other.entry
}
