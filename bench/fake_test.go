//go:build linux

package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// fake is a server of the protocol that misbehaves as told. Each message of a
// topic goes to every reader, and to one consumer of every subscription.
type fake struct {
	*httptest.Server

	// What to do, set before it is used. n counts the messages of a topic from 0.
	refuse  func(r *http.Request) (status int, body string) // status 0: take it
	deliver func(n int, push func(n int))                   // which messages to push now; default: push(n)
	reply   func(n int, answer func(n int, result string))  // default: answer(n, "ok")
	taken   func(n int)                                     // called before a message is handled

	serving sync.WaitGroup // its connections

	mu       sync.Mutex
	topics   map[string]*fakeTopic
	requests []*http.Request
	acks     int
	commands []string
}

type fakeTopic struct {
	messages []map[string]any
	groups   map[string]*fakeGroup // by subscription; readers have one each
}

type fakeGroup struct {
	name     string
	conns    []*fakeConn
	turn     int
	earliest bool
	pushed   int // backlog
}

type fakeConn struct {
	ws *websocket.Conn
	mu sync.Mutex
}

func (c *fakeConn) send(v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.ws.WriteJSON(v)
}

func newFake(t *testing.T, set ...func(*fake)) *fake {
	t.Helper()
	f := &fake{topics: map[string]*fakeTopic{}}
	for _, s := range set {
		s(f)
	}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	f.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of clients that do not trust it
	return f
}

// start serves until the test ends.
func (f *fake) start(t *testing.T, tls bool) *fake {
	t.Helper()
	if tls {
		f.StartTLS()
	} else {
		f.Start()
	}
	t.Cleanup(f.Close)
	return f
}

func (f *fake) target() string { return "ws" + strings.TrimPrefix(f.URL, "http") }

// settle waits until all that clients sent is handled, when they have left. What
// the fake has noted may then be read without its mutex.
func (f *fake) settle() { f.serving.Wait() }

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	f.serving.Add(1)
	defer f.serving.Done()
	f.mu.Lock()
	f.requests = append(f.requests, r)
	f.mu.Unlock()
	if f.refuse != nil {
		if status, body := f.refuse(r); status != 0 {
			http.Error(w, body, status)
			return
		}
	}
	up := websocket.Upgrader{EnableCompression: true, CheckOrigin: func(*http.Request) bool { return true }}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	c := &fakeConn{ws: ws}
	path := strings.Split(strings.TrimPrefix(strings.TrimPrefix(r.URL.EscapedPath(), "/ws/v2/"), "/ws/"), "/")
	if path[0] == "producer" {
		f.produce(c, path[len(path)-1])
		return
	}
	name, sub := path[len(path)-1], fmt.Sprintf("reader %p", c)
	if path[0] == "consumer" {
		name, sub = path[len(path)-2], path[len(path)-1]
	}
	f.join(c, name, sub, r.URL.Query())
	defer f.leave(c, name, sub)
	for {
		_, b, err := ws.ReadMessage()
		if err != nil {
			return
		}
		f.mu.Lock()
		if strings.Contains(string(b), `"type"`) {
			f.commands = append(f.commands, string(b))
		} else {
			f.acks++
		}
		f.mu.Unlock()
	}
}

func (f *fake) topic(name string) *fakeTopic {
	if f.topics[name] == nil {
		f.topics[name] = &fakeTopic{groups: map[string]*fakeGroup{}}
	}
	return f.topics[name]
}

func (f *fake) join(c *fakeConn, topic, sub string, q url.Values) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.topic(topic)
	g := t.groups[sub]
	if g == nil {
		g = &fakeGroup{name: sub, earliest: q.Get("subscriptionInitialPosition") == "Earliest" || q.Get("messageId") == "earliest"}
		t.groups[sub] = g
	}
	g.conns = append(g.conns, c)
	if g.earliest {
		for ; g.pushed < len(t.messages); g.pushed++ {
			c.send(t.messages[g.pushed])
		}
	}
}

func (f *fake) leave(c *fakeConn, topic, sub string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.topics[topic].groups[sub]
	for i, other := range g.conns {
		if other == c {
			g.conns = append(g.conns[:i:i], g.conns[i+1:]...)
			return
		}
	}
}

// produce takes a producer's messages.
func (f *fake) produce(c *fakeConn, topic string) {
	for {
		_, b, err := c.ws.ReadMessage()
		if err != nil {
			return
		}
		var req struct {
			Payload, Context, Key string
			Properties            map[string]string
		}
		if err := json.Unmarshal(b, &req); err != nil {
			return
		}
		f.mu.Lock()
		t := f.topic(topic)
		n := len(t.messages)
		t.messages = append(t.messages, map[string]any{
			"messageId": fmt.Sprint("id", n), "payload": req.Payload, "properties": req.Properties, "redeliveryCount": 0,
			"context": req.Context,
		})
		if f.taken != nil {
			f.taken(n)
		}
		if f.reply != nil {
			f.reply(n, func(n int, result string) { f.answer(c, t, n, result) })
		} else {
			f.answer(c, t, n, "ok")
		}
		if f.deliver != nil {
			f.deliver(n, t.push)
		} else {
			t.push(n)
		}
		f.mu.Unlock()
	}
}

func (f *fake) answer(c *fakeConn, t *fakeTopic, n int, result string) {
	c.send(map[string]any{"result": result, "messageId": fmt.Sprint("id", n), "context": t.messages[n]["context"]})
}

// push sends message n to all.
func (t *fakeTopic) push(n int) {
	for _, g := range t.groups {
		if len(g.conns) > 0 {
			g.turn++
			g.conns[g.turn%len(g.conns)].send(t.messages[n])
			g.pushed = n + 1
		}
	}
}

// count is the number of messages of all topics.
func (f *fake) count() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.topics {
		n += len(t.messages)
	}
	return n
}
