package pulsar

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// firstDoubt is how long the broker is trusted that has taken a consumer again; it grows fourfold with each of maxDoubts times.
const (
	firstDoubt = 2 * time.Second
	maxDoubts  = 3
)

// errDoubt ends an attempt that a broker may have forgotten.
var errDoubt = errors.New("nothing came since the consumer was taken again")

// doubts are consumers of subscriptions that are not durable which have come back to their broker and got nothing since. A broker that
// lets go of a topic at that moment may confirm such a consumer and never send it anything, as its subscription is made for the topic
// that is about to be closed. So those to which nothing comes are made anew a few times, if they resume by themselves. Others would lose what is
// published while they are made anew, which is worse: the broker seldom forgets one, and one that it has forgotten is there again when the topic moves or
// the connection breaks.
type doubts struct {
	late  alarm
	first time.Duration // firstDoubt

	mu   sync.Mutex // guards list; taken while Consumer.mu may be held
	list []doubt    // for which late is set, in no order
}

// doubt is one attempt of a consumer.
type doubt struct {
	x       *Consumer
	attempt uint32
	when    time.Time
}

// doubtLocked notes that the consumer has come back.
func (x *Consumer) doubtLocked() {
	if x.place == nil || x.doubted == maxDoubts {
		return
	}
	wait := x.client.doubts.first << (2 * x.doubted)
	wait += rand.N(wait / 2) // a broker that has restarted is not to be asked by all at once
	x.doubted++
	q := &x.client.doubts
	q.mu.Lock()
	q.list = append(q.list, doubt{x, x.attempt, time.Now().Add(wait)})
	q.mu.Unlock()
	x.client.alarms.set(&q.late, wait)
}

// lookAtDoubts is the alarm.
func (c *Client) lookAtDoubts() {
	now := time.Now()
	var due []doubt
	q := &c.doubts
	q.mu.Lock()
	kept := q.list[:0]
	var next time.Time
	for _, d := range q.list {
		switch {
		case !d.when.After(now):
			due = append(due, d)
			continue
		case next.IsZero() || d.when.Before(next):
			next = d.when
		}
		kept = append(kept, d)
	}
	clear(q.list[len(kept):])
	if q.list = kept; len(kept) == 0 {
		q.list = nil
	}
	q.mu.Unlock()
	if !next.IsZero() {
		c.alarms.set(&q.late, max(time.Until(next), q.first/8)) // of very many, all that are due soon together
	}
	for _, d := range due {
		d.x.again(d.attempt)
	}
}

// again makes the consumer anew if nothing came in the attempt.
func (x *Consumer) again(attempt uint32) {
	x.mu.Lock()
	c, id := x.on, x.id
	is := x.attempt == attempt && x.connected && x.doubted > 0 && x.state == consumerOpen
	x.mu.Unlock()
	if is {
		c.leave(id)
		x.failed(attempt, errDoubt)
	}
}
