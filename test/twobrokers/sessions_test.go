//go:build pulsar

package twobrokers

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// The load of a topic: how many messages are on their way at most, and the time between two.
const (
	window = 20
	pace   = 4 * time.Millisecond
)

// sessions are a gateway's. Their methods return once they are open; stop ends all.
type sessions struct {
	t   *testing.T
	url string

	publishing chan struct{} // closed: publish nothing more
	producers  sync.WaitGroup
	others     sync.WaitGroup

	mu    sync.Mutex // guards what follows
	conns []*websocket.Conn
	ended bool
}

func newSessions(t *testing.T, url string) *sessions {
	s := &sessions{t: t, url: url, publishing: make(chan struct{})}
	t.Cleanup(s.stop)
	return s
}

func (s *sessions) open(path string) *websocket.Conn {
	s.t.Helper()
	conn, _, err := (&websocket.Dialer{HandshakeTimeout: timeout}).Dial(s.url+"/ws/v2/"+path, nil)
	if err != nil {
		s.t.Fatalf("open %s: %v", path, err)
	}
	s.mu.Lock()
	s.conns = append(s.conns, conn)
	s.mu.Unlock()
	return conn
}

// over reports that the test has ended the sessions.
func (s *sessions) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// stopPublishing returns when all that was sent is answered.
func (s *sessions) stopPublishing() {
	close(s.publishing)
	s.producers.Wait()
}

func (s *sessions) stop() {
	s.mu.Lock()
	s.ended = true
	for _, conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.producers.Wait()
	s.others.Wait()
}

// produce publishes numbers until publishing stops, or count of them. A message that is refused is not
// published again.
func (s *sessions) produce(x *topic, count int) {
	s.t.Helper()
	conn := s.open(fmt.Sprintf("producer/persistent/%s?sendTimeoutMillis=%d", x.name, timeout.Milliseconds()))
	slots := make(chan struct{}, window)
	closed := make(chan struct{})
	s.others.Go(func() {
		defer close(closed)
		for {
			var answer struct{ Result, ErrorMsg, Context string }
			if err := conn.ReadJSON(&answer); err != nil {
				if !s.over() {
					x.complain("the producer's session ended: %v", err)
				}
				return
			}
			if n, err := strconv.Atoi(answer.Context); err != nil || answer.Result != "ok" {
				x.complain("answer %+v", answer)
			} else {
				x.answer(n)
			}
			<-slots
		}
	})
	s.producers.Go(func() {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for n := 0; n < count; n++ {
			select {
			case <-s.publishing:
				count = 0
				continue
			case <-tick.C:
			}
			select {
			case slots <- struct{}{}:
			case <-closed:
				return
			}
			text := strconv.Itoa(n)
			request, _ := json.Marshal(map[string]string{"payload": base64.StdEncoding.EncodeToString([]byte(text)), "context": text})
			if err := conn.WriteMessage(websocket.TextMessage, request); err != nil {
				return // the reader says why
			}
		}
		for range window {
			select {
			case slots <- struct{}{}:
			case <-closed:
				return
			}
		}
	})
}

// receive takes, and acknowledges, what comes at a path until the sessions are stopped.
func (s *sessions) receive(path string, v *view) {
	s.t.Helper()
	conn := s.open(path)
	s.others.Go(func() {
		for {
			var m struct{ MessageID, Payload string }
			if err := conn.ReadJSON(&m); err != nil {
				if !s.over() {
					v.of.complain("%s: the session ended: %v", v.name, err)
				}
				return
			}
			text, err := base64.StdEncoding.DecodeString(m.Payload)
			if err != nil {
				v.of.complain("%s: payload %q", v.name, m.Payload)
			}
			v.take(string(text))
			if err := conn.WriteJSON(map[string]string{"messageId": m.MessageID}); err != nil {
				continue // reading says why
			}
		}
	})
}

// use opens what a topic has: a producer, two consumers of a Shared subscription, one of a Failover one, and a reader.
func (s *sessions) use(x *topic, count int) {
	s.t.Helper()
	consumer := "consumer/persistent/" + x.name
	shared := x.view("Shared", false)
	for range 2 {
		s.receive(consumer+"/shared?subscriptionType=Shared&subscriptionInitialPosition=Earliest", shared)
	}
	s.receive(consumer+"/failover?subscriptionType=Failover&subscriptionInitialPosition=Earliest", x.view("Failover", false))
	s.receive("reader/persistent/"+x.name+"?messageId=earliest", x.view("reader", !x.parted))
	s.produce(x, count)
}
