//go:build pulsar && linux

package rolling

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

const (
	opening  = 64                     // handshakes under way at a time
	inFlight = 10                     // publishes of a producer without an answer
	pace     = 100 * time.Millisecond // between two publishes of a producer
	work     = 15 * time.Millisecond  // of a consumer with a message
)

// crowd is a number of clients, each of which opens its session again, at once, when the server has closed it.
type crowd struct {
	ledger  *ledger
	url     string
	opening chan struct{} // has room for those who are connecting
	open    atomic.Int64

	publishing chan struct{} // closed: publish nothing more
	stopped    chan struct{} // closed: end
	producers  sync.WaitGroup
	others     sync.WaitGroup

	mu    sync.Mutex // guards conns
	conns map[*websocket.Conn]bool
}

func newCrowd(t *testing.T, l *ledger, url string) *crowd {
	c := &crowd{
		ledger: l, url: url, opening: make(chan struct{}, opening),
		publishing: make(chan struct{}), stopped: make(chan struct{}), conns: map[*websocket.Conn]bool{},
	}
	t.Cleanup(c.stop)
	return c
}

// stop ends all sessions, and returns when nobody is left.
func (c *crowd) stop() {
	c.mu.Lock()
	select {
	case <-c.stopped:
	default:
		close(c.stopped)
		for conn := range c.conns {
			conn.Close()
		}
	}
	c.mu.Unlock()
	c.producers.Wait()
	c.others.Wait()
}

// endPublishing returns when all that was published is answered.
func (c *crowd) endPublishing() {
	close(c.publishing)
	c.producers.Wait()
}

var dialer = websocket.Dialer{HandshakeTimeout: time.Minute, ReadBufferSize: 512, WriteBufferSize: 512, WriteBufferPool: &sync.Pool{}}

// dial opens a session, however often it is refused. It returns nil when the crowd is stopped.
func (c *crowd) dial(path string) *websocket.Conn {
	for {
		select {
		case c.opening <- struct{}{}:
		case <-c.stopped:
			return nil
		}
		conn, resp, err := dialer.Dial(c.url+path, nil)
		<-c.opening
		if err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			select {
			case <-c.stopped: // too late for stop to close it
				conn.Close()
				return nil
			default:
			}
			c.conns[conn] = true
			c.open.Add(1)
			return conn
		}
		what := err.Error()
		if resp != nil {
			resp.Body.Close()
			what = resp.Status
		}
		c.ledger.refuse(what)
		select {
		case <-c.stopped:
			return nil
		case <-time.After(50 * time.Millisecond): // a client's pause before it tries again
		}
	}
}

// forget closes a session that is over, and notes why if it is the server who has ended it.
func (c *crowd) forget(conn *websocket.Conn, why error) {
	conn.Close()
	c.mu.Lock()
	delete(c.conns, conn)
	c.mu.Unlock()
	c.open.Add(-1)
	if why != nil && !errors.Is(why, net.ErrClosed) {
		c.ledger.ended(why)
	}
}

// read waits for messages that do not come.
func (c *crowd) read(path string) {
	for conn := c.dial(path); conn != nil; conn = c.dial(path) {
		var err error
		for err == nil {
			_, _, err = conn.ReadMessage()
		}
		c.forget(conn, err)
	}
}

// consume acknowledges each message before it takes the next. So when a close frame comes, it is not looked at until those
// in front of it are acknowledged.
func (c *crowd) consume(topic, path string) {
	for conn := c.dial(path); conn != nil; conn = c.dial(path) {
		c.forget(conn, c.consumeOver(conn, topic))
	}
}

func (c *crowd) consumeOver(conn *websocket.Conn, topic string) error {
	for {
		var m struct{ MessageID, Payload string }
		if err := conn.ReadJSON(&m); err != nil {
			return err
		}
		var a attempt
		text, err := base64.StdEncoding.DecodeString(m.Payload)
		if _, e := fmt.Sscan(string(text), &a.producer, &a.message, &a.try); err != nil || e != nil {
			c.ledger.complain("payload %q", m.Payload)
		}
		c.ledger.deliver(topic, m.MessageID, a)
		time.Sleep(work)
		if conn.WriteJSON(map[string]string{"messageId": m.MessageID}) == nil {
			c.ledger.ack(topic, m.MessageID)
		} // else the reason is what is read next
	}
}

// produce publishes messages with their number as the context, and again those that were not answered.
func (c *crowd) produce(producer int, path string) {
	p := &publisher{crowd: c, producer: producer, tries: map[int]int{}}
	for conn := c.dial(path); conn != nil; conn = c.dial(path) {
		err, done := p.publish(conn)
		c.forget(conn, err)
		if done {
			return
		}
	}
}

// publisher is a producer's messages. mu guards tries.
type publisher struct {
	*crowd
	producer int
	next     int // number of the next new message

	mu    sync.Mutex
	tries map[int]int // of those without an answer
}

// waiting are the numbers of those without an answer.
func (p *publisher) waiting() (numbers []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := range p.tries {
		numbers = append(numbers, n)
	}
	return numbers
}

func (p *publisher) send(conn *websocket.Conn, n int) error {
	p.mu.Lock()
	p.tries[n]++
	a := attempt{p.producer, n, p.tries[n]}
	p.mu.Unlock()
	payload := base64.StdEncoding.EncodeToString(fmt.Append(nil, a.producer, a.message, a.try))
	return conn.WriteJSON(map[string]string{"payload": payload, "context": strconv.Itoa(n)})
}

// publish goes on over one session until it ends, or until publishing has ended and all is answered.
func (p *publisher) publish(conn *websocket.Conn) (why error, done bool) {
	again := p.waiting()
	closed := make(chan error, 1)
	answers := make(chan struct{}, 2*inFlight)
	go func() {
		for {
			if err := p.readAnswer(conn); err != nil {
				p.ledger.lose(len(p.waiting()))
				closed <- err
				return
			}
			answers <- struct{}{}
		}
	}()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	unanswered, publishing := 0, p.publishing
	send := func(n int) {
		if p.send(conn, n) == nil { // else the reader tells why
			unanswered++
		}
	}
	for _, n := range again {
		send(n)
	}
	for {
		if publishing == nil && unanswered == 0 {
			conn.Close()
			<-closed
			return nil, true
		}
		select {
		case err := <-closed:
			return err, false
		case <-answers:
			unanswered--
		case <-publishing:
			publishing = nil
		case <-tick.C:
			if publishing != nil && unanswered < inFlight {
				p.next++
				send(p.next)
			}
		}
	}
}

func (p *publisher) readAnswer(conn *websocket.Conn) error {
	var answer struct{ Result, ErrorMsg, Context string }
	_, frame, err := conn.ReadMessage()
	if err != nil {
		return err
	}
	n, err := 0, json.Unmarshal(frame, &answer)
	if err == nil {
		n, err = strconv.Atoi(answer.Context)
	}
	p.mu.Lock()
	try, known := p.tries[n]
	delete(p.tries, n)
	p.mu.Unlock()
	if err != nil || !known {
		p.ledger.complain("producer %d: an answer to nothing: %s", p.producer, frame)
		return nil
	}
	p.ledger.answer(attempt{p.producer, n, try}, answer.Result)
	return nil
}
