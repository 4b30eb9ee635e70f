package codec

import "cmp"

// Position is a place in the order of the messages of one topic, or of one
// partition. A batch is one entry, whose messages have places in it.
//
// All of the gateway orders messages by this. The broker client (package pulsar) knows nothing of
// codec, and has the same order in placing.covers and entryKey.after: they change together.
type Position struct {
	Ledger, Entry int64
	Batch         int32 // place in the entry's batch; -1: the entry as a whole
}

// Position is where the message is on its topic or partition.
func (id *MessageID) Position() Position { return Position{id.LedgerID, id.EntryID, id.BatchIndex} }

// Compare orders positions; an entry as a whole comes before the messages in it.
func (p Position) Compare(o Position) int {
	return cmp.Or(cmp.Compare(p.Ledger, o.Ledger), cmp.Compare(p.Entry, o.Entry), cmp.Compare(p.Batch, o.Batch))
}

// SameEntry reports that both are in one entry, or are it.
func (p Position) SameEntry(o Position) bool { return p.Ledger == o.Ledger && p.Entry == o.Entry }

// After reports that p comes after all of o: an entry as a whole is neither
// before nor after the messages in it.
func (p Position) After(o Position) bool {
	if p.SameEntry(o) && (p.Batch < 0 || o.Batch < 0) {
		return false
	}
	return p.Compare(o) > 0
}

// Covers reports that who has read up to p has read all of o: also if that is an entry as
// a whole, of which the message at p may not be the last one.
func (p Position) Covers(o Position) bool {
	if p.SameEntry(o) && p.Batch >= 0 && o.Batch < 0 {
		return false
	}
	return !o.After(p)
}
