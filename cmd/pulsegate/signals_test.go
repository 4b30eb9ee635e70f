package main

import (
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/test/gateway"
)

// session is a producer's, to see that a signal does not cut it.
func session(t *testing.T, g *gateway.Gateway) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.DefaultDialer.Dial(g.URL()+"/ws/v2/producer/persistent/public/default/signals", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	publish(t, c)
	return c
}

func publish(t *testing.T, c *websocket.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if err := c.WriteMessage(websocket.TextMessage, []byte(`{"payload":"aGk="}`)); err != nil {
		t.Fatal(err)
	}
	if _, reply, err := c.ReadMessage(); err != nil || !strings.Contains(string(reply), `"ok"`) {
		t.Fatalf("%s %v", reply, err)
	}
}

func logged(t *testing.T, g *gateway.Gateway, what string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(g.Logs(), what); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %q in the log", what)
		}
	}
}

// Sessions outlive SIGHUP and SIGQUIT, which do what they do on a JVM; a stop
// afterwards is one in good order.
func TestSignalsThatDoNotEnd(t *testing.T) {
	g := gateway.Start(t, gateway.Options{Embedded: true})
	c := session(t, g)
	g.Signal(syscall.SIGHUP)
	logged(t, g, "SIGHUP")
	publish(t, c)
	g.Signal(syscall.SIGQUIT)
	logged(t, g, "SIGQUIT: end of all goroutines")
	if !strings.Contains(g.Logs(), "gateway.Run(") {
		t.Error("the main goroutine is not among those printed")
	}
	publish(t, c)
}

// Whoever reads the log may end: the server goes on, and also stops in good order.
func TestReaderOfTheLogEnds(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	g := gateway.Start(t, gateway.Options{Embedded: true, Output: w, Conf: map[string]string{"logLevel": "debug"}})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	session(t, g) // is logged
	g.Signal(syscall.SIGQUIT)
	g.Signal(syscall.SIGHUP)
	session(t, g)
	resp, err := http.Get(g.HTTPURL() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "ok\n" {
		t.Fatalf("%q %v", body, err)
	}
}
