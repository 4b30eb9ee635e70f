package main

import (
	"context"
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

// A stop with a delay is announced first, and everything works on; another signal ends it
// at once.
func TestStopIsAnnounced(t *testing.T) {
	g := gateway.Start(t, gateway.Options{Embedded: true, Conf: map[string]string{
		"drainDelayMillis": "86400000", "statusFilePath": os.Args[0],
	}})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	await := func(path string, want int) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			resp, err := client.Get(g.HTTPURL() + path)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %d, want %d", path, resp.StatusCode, want)
			}
		}
	}
	c := session(t, g)
	await("/status.html", http.StatusOK)
	g.Signal(syscall.SIGTERM)
	await("/readyz", http.StatusServiceUnavailable)
	await("/status.html", http.StatusNotFound)
	await("/healthz", http.StatusOK)
	session(t, g)
	publish(t, c)
	g.Signal(syscall.SIGINT)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if code, err := g.Wait(ctx); err != nil || code != -1 { // ended by a signal
		t.Fatalf("exit code %d, %v", code, err)
	}
}

// With a delay or a spread, clients are told that they may come back at once.
func TestStopOfOneThatIsReplaced(t *testing.T) {
	for _, conf := range []map[string]string{{"drainDelayMillis": "100"}, {"drainSpreadMillis": "100"}} {
		g := gateway.Start(t, gateway.Options{Embedded: true, Conf: conf})
		c := session(t, g)
		g.Signal(syscall.SIGTERM)
		if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseServiceRestart) {
			t.Errorf("%v: closed with %v", conf, err)
		}
		_ = c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if code, err := g.Wait(ctx); err != nil || code != 0 {
			t.Fatalf("%v: exit code %d, %v", conf, code, err)
		}
	}
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
