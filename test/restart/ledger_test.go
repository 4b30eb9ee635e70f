//go:build pulsar

package restart

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"
)

// number is what a message is known by: the producer's number and its count, as its payload says.
type number struct{ producer, message int }

func (n number) payload() string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%d %d", n.producer, n.message))
}

func parseNumber(payload string) (number, error) {
	text, err := base64.StdEncoding.DecodeString(payload)
	if err != nil {
		return number{}, fmt.Errorf("payload %q: %w", payload, err)
	}
	var n number
	if _, err := fmt.Sscanf(string(text), "%d %d", &n.producer, &n.message); err != nil {
		return number{}, fmt.Errorf("payload %q: %w", text, err)
	}
	return n, nil
}

// ledger writes down what became of each message. Its methods may be called from any goroutine.
type ledger struct {
	mu        sync.Mutex
	changed   chan struct{} // closed, and replaced, at each change, of what is written down or of the sessions
	answered  map[number]bool
	failed    map[number]string
	unknown   map[number]bool // its session ended before an answer came: it may or may not be stored
	delivered map[number]int
}

func newLedger() *ledger {
	return &ledger{
		changed: make(chan struct{}), answered: map[number]bool{}, failed: map[number]string{},
		unknown: map[number]bool{}, delivered: map[number]int{},
	}
}

func (l *ledger) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *ledger) ok(n number)                { l.change(func() { l.answered[n] = true }) }
func (l *ledger) fail(n number, what string) { l.change(func() { l.failed[n] = what }) }
func (l *ledger) lost(n number)              { l.change(func() { l.unknown[n] = true }) }
func (l *ledger) deliver(n number)           { l.change(func() { l.delivered[n]++ }) }

// okCount is the number of messages answered ok so far.
func (l *ledger) okCount() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.answered)
}

// missing are the messages that were answered ok and have not been delivered.
func (l *ledger) missing() []number {
	l.mu.Lock()
	defer l.mu.Unlock()
	var missing []number
	for n := range l.answered {
		if l.delivered[n] == 0 {
			missing = append(missing, n)
		}
	}
	return missing
}

// await blocks until a condition holds, which is looked at after each change. The test fails when that takes longer than
// timeout.
func (l *ledger) await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(timeout)
	for {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		if holds() {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("waited %s in vain: %s; %s", timeout, what, l)
		}
	}
}

// awaitMore blocks until n more messages are answered ok.
func (l *ledger) awaitMore(t *testing.T, n int) {
	t.Helper()
	want := l.okCount() + n
	l.await(t, strconv.Itoa(n)+" more messages answered ok", func() bool { return l.okCount() >= want })
}

// String sums up.
func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	again := 0
	for _, times := range l.delivered {
		again += times - 1
	}
	reasons := map[string]int{}
	for _, what := range l.failed {
		reasons[what]++
	}
	return fmt.Sprintf("%d answered ok, %d answered with an error %v, %d without an answer, %d delivered, %d of them again",
		len(l.answered), len(l.failed), reasons, len(l.unknown), len(l.delivered), again)
}
