// Command go publishes, consumes or reads, and comes back when a connection ends.
//
//	go run ./examples/go produce TOPIC MESSAGE...
//	go run ./examples/go consume TOPIC SUBSCRIPTION
//	go run ./examples/go read TOPIC
//
// TOPIC is persistent/TENANT/NAMESPACE/NAME, percent-encoded. The server is ws://localhost:8080
// unless PULSEGATE_URL names another, and a token is taken from PULSEGATE_TOKEN.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

const longestWait = 30 * time.Second

// forGood are refusals and ends after which another try cannot work.
var forGood = []int{400, 401, 403, 404, 4006}

// refusal is why the server did not open a session.
type refusal struct {
	status int
	reason string
}

func (r *refusal) Error() string { return fmt.Sprintf("refused: %d %s", r.status, r.reason) }

// open opens a session. The server says in the body of its answer why it refuses one.
func open(path string) (*websocket.Conn, error) {
	server := strings.TrimRight(cmp.Or(os.Getenv("PULSEGATE_URL"), "ws://localhost:8080"), "/")
	header := http.Header{}
	if token := os.Getenv("PULSEGATE_TOKEN"); token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	ws, resp, err := websocket.DefaultDialer.Dial(server+path, header)
	if errors.Is(err, websocket.ErrBadHandshake) && resp != nil {
		var answer struct{ Reason string }
		_ = json.NewDecoder(resp.Body).Decode(&answer) // without a reason the status has to do
		return nil, &refusal{resp.StatusCode, answer.Reason}
	}
	return ws, err
}

// keepTrying opens sessions until one returns without an error. After each that
// fails it waits a random time, which grows.
func keepTrying(path func() string, session func(*websocket.Conn) error) {
	for failures := 0; ; failures++ {
		ws, err := open(path())
		if err == nil {
			failures = 0
			err = session(ws)
			_ = ws.Close()
		}
		if err == nil {
			return
		}
		code := 0
		var no *refusal
		var end *websocket.CloseError
		switch {
		case errors.As(err, &no):
			fmt.Println(err)
			code = no.status
		case errors.As(err, &end):
			fmt.Println("closed:", end.Code, end.Text)
			code = end.Code
		default:
			fmt.Println("lost:", err)
		}
		if slices.Contains(forGood, code) {
			os.Exit(1)
		}
		if code == 1012 { // another server is there already
			continue
		}
		time.Sleep(rand.N(min(longestWait, 500*time.Millisecond<<min(failures, 10))))
	}
}

type message struct {
	MessageID string `json:"messageId"`
	Payload   []byte `json:"payload"` // which encoding/json takes for base64, as it is
}

type acknowledgement struct {
	MessageID string `json:"messageId"`
}

func produce(topic string, texts []string) {
	waiting := map[string]string{} // what is not answered yet, by its context
	for i, text := range texts {
		waiting[strconv.Itoa(i)] = text
	}
	failed := 0
	keepTrying(func() string { return "/ws/v2/producer/" + topic }, func(ws *websocket.Conn) error {
		failed = 0
		for i := range texts {
			context := strconv.Itoa(i)
			if text, ok := waiting[context]; ok {
				if err := ws.WriteJSON(map[string]any{"payload": []byte(text), "context": context}); err != nil {
					return err
				}
			}
		}
		for len(waiting) > failed {
			var answer struct{ Result, MessageID, ErrorMsg, Context string }
			if err := ws.ReadJSON(&answer); err != nil {
				return err
			}
			if answer.Result != "ok" {
				failed++
				fmt.Println("failed:", answer.ErrorMsg)
				continue
			}
			fmt.Println("published:", waiting[answer.Context], "as", answer.MessageID)
			delete(waiting, answer.Context)
		}
		return nil
	})
	if failed > 0 {
		os.Exit(1)
	}
}

func consume(topic, subscription string) {
	path := "/ws/v2/consumer/" + topic + "/" + url.PathEscape(subscription) + "?subscriptionInitialPosition=Earliest"
	keepTrying(func() string { return path }, func(ws *websocket.Conn) error {
		for {
			var m message
			if err := ws.ReadJSON(&m); err != nil {
				return err
			}
			fmt.Printf("received: %s\n", m.Payload)
			// What is not acknowledged when a connection ends comes again with the next.
			if err := ws.WriteJSON(acknowledgement{m.MessageID}); err != nil {
				return err
			}
		}
	})
}

func read(topic string) {
	last := "earliest"
	path := func() string { return "/ws/v2/reader/" + topic + "?messageId=" + url.QueryEscape(last) }
	keepTrying(path, func(ws *websocket.Conn) error {
		for {
			var m message
			if err := ws.ReadJSON(&m); err != nil {
				return err
			}
			fmt.Printf("read: %s\n", m.Payload)
			last = m.MessageID // the next session goes on behind it
			// It is answered, so there is room for one more.
			if err := ws.WriteJSON(acknowledgement{last}); err != nil {
				return err
			}
		}
	})
}

func main() {
	args := append(os.Args[1:], "", "")
	switch n := len(os.Args); {
	case args[0] == "produce" && n > 3:
		produce(args[1], os.Args[3:])
	case args[0] == "consume" && n == 4:
		consume(args[1], args[2])
	case args[0] == "read" && n == 3:
		read(args[1])
	default:
		fmt.Fprintln(os.Stderr, "go run ./examples/go produce TOPIC MESSAGE... | consume TOPIC SUBSCRIPTION | read TOPIC")
		os.Exit(2)
	}
}
