//go:build pulsar && linux

package rolling

import (
	"fmt"
	"sync"
	"time"
)

// attempt is what one publish is known by, as its payload says. A message whose session ended before it was answered is
// published again, as another attempt.
type attempt struct{ producer, message, try int }

// ledger writes down what sessions were told. Its methods may be called from any goroutine; mu guards its fields.
type ledger struct {
	mu        sync.Mutex
	answered  map[attempt]bool   // ok
	failed    map[attempt]string // answered with an error
	lost      int                // attempts whose session ended first
	delivered map[attempt]int
	acked     map[string]time.Time // by topic and message id: when the acknowledgement was sent
	ends      []end
	refused   map[string]int // what those who connected were told instead
	wrong     []string       // what no server should do
}

// end is a session that the server has closed.
type end struct {
	at  time.Time
	why string
}

func newLedger() *ledger {
	return &ledger{
		answered: map[attempt]bool{}, failed: map[attempt]string{}, delivered: map[attempt]int{},
		acked: map[string]time.Time{}, refused: map[string]int{},
	}
}

func (l *ledger) complain(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
}

func (l *ledger) answer(a attempt, result string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if result == "ok" {
		l.answered[a] = true
	} else {
		l.failed[a] = result
	}
}

func (l *ledger) lose(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost += n
}

// deliver notes a message, and complains if it had been acknowledged before.
func (l *ledger) deliver(topic, id string, a attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delivered[a]++
	if at, ok := l.acked[topic+id]; ok {
		l.wrong = append(l.wrong, fmt.Sprintf("%s: message %v came again, acknowledged %s before", topic, a, time.Since(at)))
	}
}

func (l *ledger) ack(topic, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[topic+id] = time.Now()
}

func (l *ledger) ended(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = append(l.ends, end{time.Now(), why.Error()})
}

func (l *ledger) refuse(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused[what]++
}

// endsFrom are the sessions that ended from the nth on.
func (l *ledger) endsFrom(n int) []end {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ends[n:len(l.ends):len(l.ends)]
}

func (l *ledger) okCount() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.answered)
}

// peak is the most sessions that ended within a second. They end in the order in which they are noted.
func peak(ends []end) (most int) {
	first := 0
	for i := range ends {
		for ends[i].at.Sub(ends[first].at) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}
