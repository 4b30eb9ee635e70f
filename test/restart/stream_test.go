//go:build pulsar

package restart

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// settled is how long an acknowledgement may be on its way. One that was sent so long before a disturbance began, or after
// it was over, must hold: its message does not come again.
const settled = 5 * time.Second

// streamKeys is how many keys each producer of a stream uses in turn.
const streamKeys = 4

// stream is one topic with one subscription of one type, its producers, which publish one message at a time, and its
// consumers. Each session goes to a gateway picked at random, as behind a balancer.
//
// mu guards everything below it.
type stream struct {
	kind  string
	path  string
	urls  []string
	crash bool          // sessions crash by themselves
	stop  chan struct{} // closed: everything ends
	work  sync.WaitGroup

	mu         sync.Mutex
	ended      bool // producers publish nothing more
	producing  sync.WaitGroup
	answered   map[number]bool
	delivered  map[number]bool
	acked      map[number]time.Time
	again      int
	crashes    int
	wrong      []string
	disturbing time.Time // when what goes on began; zero: nothing does
	disturbed  [][2]time.Time
}

func newStream(kind, path string, urls []string) *stream {
	return &stream{
		kind: kind, path: path, urls: urls, stop: make(chan struct{}), crash: kind == "Shared" || kind == "Key_Shared",
		answered: map[number]bool{}, delivered: map[number]bool{}, acked: map[number]time.Time{},
	}
}

func (s *stream) start(producers, consumers int) {
	for i := range producers {
		s.producing.Add(1)
		go func() {
			defer s.producing.Done()
			s.produce(i)
		}()
	}
	for range consumers {
		s.work.Go(s.consume)
	}
}

func (s *stream) complain(format string, args ...any) {
	s.wrong = append(s.wrong, s.kind+": "+fmt.Sprintf(format, args...))
}

// dial opens a session at any gateway that takes it. It returns nil when the stream ends.
func (s *stream) dial(path string) *websocket.Conn {
	dialer := websocket.Dialer{HandshakeTimeout: 30 * time.Second}
	for {
		url := s.urls[rand.IntN(len(s.urls))] + path
		conn, resp, err := dialer.Dial(url, nil)
		if err == nil {
			return conn
		}
		if resp != nil {
			resp.Body.Close()
		}
		select {
		case <-s.stop:
			return nil
		case <-time.After(100 * time.Millisecond): // an application's backoff
		}
	}
}

// crashes reports, now and then, that a session is to break.
func (s *stream) crashNow() bool {
	if !s.crash || rand.IntN(150) > 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashes++
	return true
}

func (s *stream) produce(producer int) {
	next := 0
	for {
		conn := s.dial("/ws/v2/producer/persistent/" + s.path)
		if conn == nil {
			return
		}
		for {
			s.mu.Lock()
			ended := s.ended
			s.mu.Unlock()
			if ended || s.crashNow() {
				conn.Close()
				if ended {
					return
				}
				break
			}
			n := number{producer, next}
			next++
			key := fmt.Sprintf("%d-%d", producer, n.message%streamKeys)
			var answer struct{ Result string }
			if conn.WriteJSON(map[string]string{"payload": n.payload(), "key": key}) != nil || conn.ReadJSON(&answer) != nil {
				conn.Close() // the message may be stored or not
				break
			}
			if answer.Result == "ok" {
				s.mu.Lock()
				s.answered[n] = true
				s.mu.Unlock()
			}
			time.Sleep(5 * time.Millisecond) // the pace of the load
		}
	}
}

// consume receives and acknowledges until the stream ends.
func (s *stream) consume() {
	for {
		conn := s.dial("/ws/v2/consumer/persistent/" + s.path + "/sub?subscriptionType=" + s.kind)
		if conn == nil {
			return
		}
		done := make(chan struct{})
		go func() {
			select {
			case <-s.stop:
			case <-done:
			}
			conn.Close()
		}()
		for {
			// A client that gets nothing for long looks for another server.
			conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			_, frame, err := conn.ReadMessage()
			if err != nil || s.crashNow() {
				break
			}
			var m struct{ MessageID, Payload string }
			if err := json.Unmarshal(frame, &m); err != nil {
				break
			}
			n, err := parseNumber(m.Payload)
			s.receive(n, err)
			if conn.WriteJSON(map[string]string{"messageId": m.MessageID}) != nil {
				break
			}
		}
		close(done)
		select {
		case <-s.stop:
			return
		default:
		}
	}
}

// receive writes down a message that came and, since that follows, its acknowledgement.
func (s *stream) receive(n number, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.complain("%v", err)
		return
	}
	if at, ok := s.acked[n]; ok {
		s.again++
		if !s.excused(at) {
			s.complain("message %v came again, acknowledged %s ago with no disturbance near", n, time.Since(at))
		}
	}
	if !s.delivered[n] {
		// Its producer had the answer to each earlier one before it sent this one.
		step := 1
		switch s.kind {
		case "Shared":
			step = n.message + 1
		case "Key_Shared":
			step = streamKeys
		}
		for i := n.message - step; i >= 0; i -= step {
			if before := (number{n.producer, i}); s.answered[before] && !s.delivered[before] {
				s.complain("message %v came first, then %v", n, before)
			}
		}
	}
	s.delivered[n] = true
	s.acked[n] = time.Now()
}

// excused reports that an acknowledgement may have been lost. Called with mu held.
func (s *stream) excused(at time.Time) bool {
	for _, d := range s.disturbed {
		if at.After(d[0].Add(-settled)) && at.Before(d[1].Add(settled)) {
			return true
		}
	}
	return !s.disturbing.IsZero() && at.After(s.disturbing.Add(-settled))
}

// disturb notes that what f does disturbs the stream.
func (s *stream) disturb(begins bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if begins {
		s.disturbing = time.Now()
		return
	}
	s.disturbed = append(s.disturbed, [2]time.Time{s.disturbing, time.Now()})
	s.disturbing = time.Time{}
}

// missing counts what was answered ok and has not come.
func (s *stream) missing() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for m := range s.answered {
		if !s.delivered[m] {
			n++
		}
	}
	return n
}

func (s *stream) okCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.answered)
}

func (s *stream) endPublishing() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.producing.Wait()
}
