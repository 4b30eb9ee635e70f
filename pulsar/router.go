package pulsar

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
	"unicode/utf16"

	"github.com/twmb/murmur3"
)

// Routing says which partition a message goes to, as the Java client does.
type Routing struct {
	// RoundRobin sends messages without a key to all partitions in turn; in batches, to one for ten times the
	// delay of a batch. Else all go to one that is chosen by chance.
	RoundRobin bool
	// Murmur3 takes that hash of the key, instead of Java's String.hashCode.
	Murmur3 bool
}

// Sender publishes through a [Publisher] that others may share. It stands for a publisher of its own: a batch
// holds messages of one sender only, in the order in which they were sent, and it chooses partitions by itself. Its
// methods may be called from any goroutine and do not block.
type Sender struct {
	to interface {
		send(from *Sender, m *Message, done Done)
	}
	start uint32 // the partition that was chosen by chance
	turn  atomic.Uint32
}

// newSender makes one for a topic that has n partitions now. What it chooses stays when
// there are more.
func newSender(p *partitioned, n int) *Sender {
	s := &Sender{to: p, start: rand.Uint32N(uint32(n))}
	s.turn.Store(s.start)
	return s
}

// Send publishes m. done may be called before Send returns.
func (s *Sender) Send(m *Message, done Done) { s.to.send(s, m, done) }

// router picks partitions.
type router struct {
	r        Routing
	batching bool
	stay     int64 // ms with the same partition
}

func newRouter(r Routing, o *ProducerOptions) router {
	return router{r: r, batching: o.Batching, stay: max(1, (10 * max(o.BatchDelay, time.Millisecond)).Milliseconds())}
}

// pick returns one of n partitions.
func (x *router) pick(s *Sender, m *Message, n int, now time.Time) int {
	var at uint32
	switch {
	case m.HasKey && x.r.Murmur3:
		at = murmur3.Sum32([]byte(m.Key)) & 0x7fffffff
	case m.HasKey:
		at = javaStringHash(m.Key)
	case !x.r.RoundRobin:
		at = s.start
	case x.batching:
		return int((now.UnixMilli()/x.stay + int64(s.start)) % int64(n))
	default:
		at = s.turn.Add(1)
	}
	return int(at % uint32(n))
}

// javaStringHash is Java's String.hashCode, which goes over UTF-16 units, without its sign.
func javaStringHash(s string) uint32 {
	var h uint32
	for _, r := range s {
		if high, low := utf16.EncodeRune(r); high != 0xfffd {
			h = 31*(31*h+uint32(high)) + uint32(low)
		} else {
			h = 31*h + uint32(r)
		}
	}
	return h & 0x7fffffff
}
