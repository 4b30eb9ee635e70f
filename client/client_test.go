package client

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// serve starts a server whose session is script.
func serve(t *testing.T, script func(*websocket.Conn)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/refused") {
			http.Error(w, `{"reason":"no such namespace"}`, http.StatusNotFound)
			return
		}
		var up websocket.Upgrader
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		script(ws)
		for {
			if _, _, err := ws.ReadMessage(); err != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func TestProduce(t *testing.T) {
	var got string
	url := serve(t, func(ws *websocket.Conn) {
		_, frame, _ := ws.ReadMessage()
		got = string(frame)
		ws.WriteMessage(websocket.TextMessage, []byte(`{"result":"ok","messageId":"CAE="}`))
		ws.ReadMessage()
		ws.WriteMessage(websocket.TextMessage, []byte(`{"result":"send-error:8","errorMsg":"queue full"}`))
	})
	var out bytes.Buffer
	err := Produce(context.Background(), url, nil, []string{"Hello", "again"}, &out)
	if got != `{"payload":"SGVsbG8="}`+"\n" && got != `{"payload":"SGVsbG8="}` {
		t.Errorf("sent %q", got)
	}
	if out.String() != "published CAE=\n" {
		t.Errorf("printed %q", out.String())
	}
	if err == nil || !strings.Contains(err.Error(), "queue full") {
		t.Errorf("error %v", err)
	}
}

func TestConsumeAcknowledges(t *testing.T) {
	acked := make(chan string, 1)
	url := serve(t, func(ws *websocket.Conn) {
		ws.WriteMessage(websocket.TextMessage, []byte(`{"messageId":"CAE=","payload":"SGk=","properties":{"a":"b"},"key":"k","publishTime":"now"}`))
		_, frame, _ := ws.ReadMessage()
		acked <- strings.TrimSpace(string(frame))
	})
	var out bytes.Buffer
	if err := Consume(context.Background(), url, nil, 1, &out); err != nil {
		t.Fatal(err)
	}
	if want := "received \"Hi\" key=\"k\" properties={\"a\":\"b\"} published now id CAE=\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
	if got := <-acked; got != `{"messageId":"CAE="}` {
		t.Errorf("acknowledged with %q", got)
	}
}

// cancelOnWrite ends a context once something was printed.
type cancelOnWrite struct{ cancel func() }

func (w cancelOnWrite) Write(p []byte) (int, error) { w.cancel(); return len(p), nil }

func TestConsumeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	url := serve(t, func(ws *websocket.Conn) {
		ws.WriteMessage(websocket.TextMessage, []byte(`{"messageId":"CAE=","payload":"SGk="}`))
	})
	if err := Consume(ctx, url, nil, 0, cancelOnWrite{cancel}); err != nil {
		t.Error(err)
	}
}

func TestRefusalIsNamed(t *testing.T) {
	url := serve(t, nil) + "/refused"
	err := Produce(context.Background(), url, nil, []string{"x"}, &bytes.Buffer{})
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "404") || !strings.Contains(err.Error(), "no such namespace") {
		t.Errorf("error %v", err)
	}
}
