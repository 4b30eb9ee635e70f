//go:build pulsar

package restart

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// The load: enough to have messages on their way at any moment, few enough for two cores.
const (
	producers = 8
	consumers = 4
	inFlight  = 20                    // messages that a producer sends before it waits for an answer
	pace      = 10 * time.Millisecond // between two messages of a producer
)

// load is a number of producers and consumers that publish numbered messages to one topic and receive them from one Shared
// subscription. Each is a session that is opened again, after a pause, when it ends.
//
// Every session has two goroutines, one that reads and one that opens and writes. stopPublishing ends those of the
// producers, stop all of them.
type load struct {
	ledger      *ledger
	producerURL string
	consumerURL string

	publishing chan struct{} // closed: publish nothing more
	stopped    chan struct{} // closed: end
	producers  sync.WaitGroup
	consumers  sync.WaitGroup

	mu     sync.Mutex
	open   map[*websocket.Conn]bool
	ended  []string // why sessions ended that the test did not end
	errors []error  // what no server should send
}

func startLoad(t *testing.T, producerURL, consumerURL string) *load {
	l := &load{
		ledger: newLedger(), producerURL: producerURL, consumerURL: consumerURL,
		publishing: make(chan struct{}), stopped: make(chan struct{}), open: map[*websocket.Conn]bool{},
	}
	for range consumers {
		l.consumers.Go(l.consume)
	}
	for i := range producers {
		l.producers.Go(func() { l.produce(i) })
	}
	t.Cleanup(func() {
		l.stop()
		t.Log(l.ledger)
	})
	return l
}

// stopPublishing returns once every message is answered or its session has ended.
func (l *load) stopPublishing() {
	l.mu.Lock()
	select {
	case <-l.publishing:
	default:
		close(l.publishing)
	}
	l.mu.Unlock()
	l.producers.Wait()
}

func (l *load) stop() {
	l.mu.Lock()
	select {
	case <-l.stopped:
	default:
		close(l.stopped)
		for conn := range l.open {
			conn.Close()
		}
	}
	l.mu.Unlock()
	l.stopPublishing()
	l.consumers.Wait()
}

// awaitOpen blocks until all sessions are open at once.
func (l *load) awaitOpen(t *testing.T) {
	t.Helper()
	l.ledger.await(t, "all sessions are open", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.open) == producers+consumers
	})
}

// endings are the reasons for which sessions ended so far.
func (l *load) endings() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.ended...)
}

// wrong is what the sessions received that no server should send.
func (l *load) wrong() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.errors...)
}

func (l *load) complain(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errors = append(l.errors, err)
}

// dial opens a session and tries again until it is open. It returns nil when the load ends first. A server that is away
// or not ready is what these tests are about, so the pause between two attempts is an application's backoff.
func (l *load) dial(url string, end <-chan struct{}) *websocket.Conn {
	dialer := websocket.Dialer{HandshakeTimeout: 30 * time.Second}
	for {
		conn, resp, err := dialer.Dial(url, nil)
		if resp != nil && err != nil {
			resp.Body.Close()
		}
		if err == nil {
			l.mu.Lock()
			l.open[conn] = true
			l.mu.Unlock()
			l.ledger.change(func() {}) // for awaitOpen to look
			select {
			case <-l.stopped: // too late for stop to close it
				l.forget(conn, nil)
				return nil
			default:
				return conn
			}
		}
		select {
		case <-l.stopped:
			return nil
		case <-end:
			return nil
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// forget closes a session's connection and, unless the test ended it, writes down why it ended.
func (l *load) forget(conn *websocket.Conn, why error) {
	conn.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, conn)
	if why != nil && !errors.Is(why, net.ErrClosed) {
		l.ended = append(l.ended, why.Error())
	}
}

// produce publishes numbers until publishing is stopped.
func (l *load) produce(producer int) {
	next := 0
	for {
		conn := l.dial(l.producerURL, l.publishing)
		if conn == nil {
			return
		}
		var done bool
		next, done = l.produceOver(conn, producer, next)
		if done {
			return
		}
	}
}

// produceOver publishes over one session, from number next on, until that ends or publishing is stopped, which it tells.
// Messages whose answer does not come are written down as unknown and not sent again.
func (l *load) produceOver(conn *websocket.Conn, producer, next int) (int, bool) {
	slots := make(chan struct{}, inFlight)
	var mu sync.Mutex
	pending := map[number]bool{}
	var why error
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for {
			n, err := l.readAnswer(conn, producer)
			if err != nil {
				why = err
				return
			}
			mu.Lock()
			known := pending[n]
			delete(pending, n)
			mu.Unlock()
			if !known {
				l.complain(fmt.Errorf("an answer to message %v, which waits for none", n))
				continue
			}
			<-slots
		}
	}()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	done := false
	var broken error // what a write found before the reader did
	for open := true; open && !done; {
		select {
		case <-closed:
			open = false
		case <-l.publishing:
			done = true
		case <-tick.C:
			select {
			case slots <- struct{}{}:
			case <-closed:
				open = false
				continue
			case <-l.publishing:
				done = true
				continue
			}
			n := number{producer, next}
			next++
			mu.Lock()
			pending[n] = true
			mu.Unlock()
			request := fmt.Sprintf(`{"payload":%q,"context":"%d"}`, n.payload(), n.message)
			if broken = conn.WriteMessage(websocket.TextMessage, []byte(request)); broken != nil {
				open = false
			}
		}
	}
	if done {
		// All slots are free once everything is answered.
		deadline := time.After(timeout)
		for range inFlight {
			select {
			case slots <- struct{}{}:
			case <-closed:
			case <-deadline: // the rest is written down as lost
			}
		}
	}
	select {
	case <-closed: // the session ended by itself
		l.forget(conn, why)
	default:
		l.forget(conn, broken)
		<-closed
	}
	for n := range pending {
		l.ledger.lost(n)
	}
	return next, done
}

// readAnswer reads one answer and writes it down.
func (l *load) readAnswer(conn *websocket.Conn, producer int) (number, error) {
	var answer struct {
		Result   string `json:"result"`
		ErrorMsg string `json:"errorMsg"`
		Context  string `json:"context"`
	}
	_, frame, err := conn.ReadMessage()
	if err != nil {
		return number{}, err
	}
	if err := json.Unmarshal(frame, &answer); err != nil {
		return number{}, fmt.Errorf("answer %q: %w", frame, err)
	}
	message, err := strconv.Atoi(answer.Context)
	if err != nil {
		return number{}, fmt.Errorf("answer %q: context: %w", frame, err)
	}
	n := number{producer, message}
	if answer.Result == "ok" {
		l.ledger.ok(n)
	} else {
		l.ledger.fail(n, answer.Result)
	}
	return n, nil
}

// consume receives and acknowledges until the load is stopped.
func (l *load) consume() {
	for {
		conn := l.dial(l.consumerURL, nil)
		if conn == nil {
			return
		}
		l.forget(conn, l.consumeOver(conn))
	}
}

func (l *load) consumeOver(conn *websocket.Conn) error {
	for {
		var message struct {
			MessageID string `json:"messageId"`
			Payload   string `json:"payload"`
		}
		if err := conn.ReadJSON(&message); err != nil {
			return err
		}
		n, err := parseNumber(message.Payload)
		if err != nil {
			l.complain(err)
			return err
		}
		l.ledger.deliver(n)
		if err := conn.WriteJSON(map[string]string{"messageId": message.MessageID}); err != nil {
			return err
		}
	}
}
