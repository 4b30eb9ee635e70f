package pulsar

import (
	"sync"

	"github.com/pulsegate/pulsegate/codec"
)

// commandKind says what a command asks the forwarder for.
type commandKind uint8

const (
	cmdAck commandKind = iota
	cmdRedeliver
	cmdLost      // member's connection is gone
	cmdReopened  // member has a new consumer, link, or err says why it never will
	cmdAckFailed // the broker could not be told of entries
	cmdAckSent   // it has now been told of entries it could not be told of before
	cmdBuried    // the dead letter of id was published, or err says why not
	cmdDiscover  // look for new topics or partitions
	cmdFound     // the search found members
)

// command is one thing to do for a consumer's forwarder.
type command struct {
	kind    commandKind
	id      codec.MessageID
	member  *member
	link    *link
	entries []entryID
	members []*member
	err     error
}

// commands hands work to a forwarder without ever blocking the one who does.
// Its length is bounded by what the bridge holds: messages delivered and not yet
// acknowledged, plus a few for each member. Once the forwarder has ended it takes none.
type commands struct {
	wake chan struct{} // holds one token while there is something to do

	mu      sync.Mutex
	ended   bool
	permits int
	list    []command
}

func newCommands() *commands { return &commands{wake: make(chan struct{}, 1)} }

func (q *commands) push(c command) {
	q.mu.Lock()
	if !q.ended {
		q.list = append(q.list, c)
	}
	q.mu.Unlock()
	q.signal()
}

// end makes the queue take no more. What is in it can still be taken out.
func (q *commands) end() {
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
}

func (q *commands) pushAll(kind commandKind, ids []codec.MessageID) {
	q.mu.Lock()
	if !q.ended {
		for i := range ids {
			q.list = append(q.list, command{kind: kind, id: ids[i]})
		}
	}
	q.mu.Unlock()
	q.signal()
}

func (q *commands) permit(n int) {
	q.mu.Lock()
	q.permits += n
	q.mu.Unlock()
	q.signal()
}

func (q *commands) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// keepCommands is up to which length a list is used again; longer ones are left to the
// garbage collector, so that an idle consumer costs little.
const keepCommands = 64

// take returns all that is to be done. used is a list given before, to be used again.
func (q *commands) take(used []command) (permits int, list []command) {
	if cap(used) > keepCommands {
		used = nil
	}
	clear(used)
	q.mu.Lock()
	defer q.mu.Unlock()
	permits, q.permits = q.permits, 0
	list, q.list = q.list, used[:0]
	return permits, list
}
