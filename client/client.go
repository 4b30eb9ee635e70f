// Package client is the smallest client of the WebSocket protocol: it sends a
// few messages or prints what comes. It is there to try a server out, from the
// command line, without installing anything else.
package client

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// ErrRefused wraps the answer of a server that did not open the session.
var ErrRefused = errors.New("the server refused the session")

const handshakeTimeout = 30 * time.Second

// dial opens a session. A refusal is reported with its HTTP status and reason.
func dial(ctx context.Context, url string, header http.Header) (*websocket.Conn, error) {
	d := websocket.Dialer{HandshakeTimeout: handshakeTimeout, Proxy: http.ProxyFromEnvironment}
	ws, resp, err := d.DialContext(ctx, url, header)
	if err == nil {
		return ws, nil
	}
	if resp == nil {
		if host, secure := strings.CutPrefix(url, "wss://"); secure && errors.As(err, new(tls.RecordHeaderError)) {
			host, _, _ = strings.Cut(host, "?")
			return nil, fmt.Errorf("connecting: the server speaks no TLS there; try ws://%s: %w", host, err)
		}
		return nil, fmt.Errorf("connecting: %w", err)
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	resp.Body.Close()
	return nil, fmt.Errorf("%w: %s: %s", ErrRefused, resp.Status, strings.TrimSpace(string(body)))
}

// reply is a producer session's answer.
type reply struct {
	Result    string `json:"result"`
	MessageID string `json:"messageId"`
	ErrorMsg  string `json:"errorMsg"`
}

// Produce sends each payload to the producer session at url and prints the id
// of each confirmed message to out. It returns at the first that fails.
func Produce(ctx context.Context, url string, header http.Header, payloads []string, out io.Writer) error {
	ws, err := dial(ctx, url, header)
	if err != nil {
		return err
	}
	stop := closeWhenDone(ctx, ws)
	defer stop()
	for _, payload := range payloads {
		frame := map[string]string{"payload": base64.StdEncoding.EncodeToString([]byte(payload))}
		if err := ws.WriteJSON(frame); err != nil {
			return fmt.Errorf("sending: %w", cause(ctx, err))
		}
		var r reply
		if err := ws.ReadJSON(&r); err != nil {
			return fmt.Errorf("waiting for the reply: %w", cause(ctx, err))
		}
		if r.Result != "ok" {
			return fmt.Errorf("the message was not published: %s: %s", r.Result, r.ErrorMsg)
		}
		fmt.Fprintf(out, "published %s\n", r.MessageID)
	}
	return nil
}

// Consume prints each message of the consumer or reader session at url to out,
// one a line, and acknowledges it. It returns after count messages; 0 means
// when ctx ends, which is no error then.
func Consume(ctx context.Context, url string, header http.Header, count int, out io.Writer) error {
	ws, err := dial(ctx, url, header)
	if err != nil {
		return err
	}
	stop := closeWhenDone(ctx, ws)
	defer stop()
	for n := 0; count == 0 || n < count; n++ {
		var m struct {
			MessageID   string            `json:"messageId"`
			Payload     []byte            `json:"payload"`
			Key         string            `json:"key"`
			Properties  map[string]string `json:"properties"`
			PublishTime string            `json:"publishTime"`
		}
		if err := ws.ReadJSON(&m); err != nil {
			if ctx.Err() != nil && count == 0 {
				return nil
			}
			return fmt.Errorf("waiting for a message: %w", cause(ctx, err))
		}
		line := fmt.Sprintf("received %q", m.Payload)
		if m.Key != "" {
			line += fmt.Sprintf(" key=%q", m.Key)
		}
		if len(m.Properties) > 0 {
			properties, _ := json.Marshal(m.Properties) // strings cannot fail
			line += " properties=" + string(properties)
		}
		fmt.Fprintf(out, "%s published %s id %s\n", line, m.PublishTime, m.MessageID)
		if err := ws.WriteJSON(map[string]string{"messageId": m.MessageID}); err != nil {
			if ctx.Err() != nil && count == 0 {
				return nil
			}
			return fmt.Errorf("acknowledging: %w", cause(ctx, err))
		}
	}
	return nil
}

// closeWhenDone closes the connection when ctx ends, which ends reads and
// writes under way. The returned function says goodbye and ends the watch.
func closeWhenDone(ctx context.Context, ws *websocket.Conn) (stop func()) {
	unwatch := context.AfterFunc(ctx, func() { ws.Close() })
	return func() {
		if unwatch() {
			bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
			deadline := time.Now().Add(time.Second)
			if ws.WriteControl(websocket.CloseMessage, bye, deadline) == nil {
				// The server's own close frame tells that it has handled all before ours.
				_ = ws.SetReadDeadline(deadline)
				for {
					if _, _, err := ws.ReadMessage(); err != nil {
						break
					}
				}
			}
		}
		ws.Close()
	}
}

// cause prefers the reason why ctx ended over the broken connection that followed.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
