package server

import (
	"fmt"
	"strings"
	"testing"
)

// What goes over the sockets is counted by the kind of their session, and what belongs to none apart from it.
func TestTrafficByKind(t *testing.T) {
	s := start(t, echoBridge())
	paths := []string{producerPath, consumerPath("s"), "/ws/v2/reader/persistent/public/default/t"}
	var accepted uint64 // the answer that opens a session, which is as long for each
	for kind, path := range paths {
		c := dialRaw(t, s)
		c.send(upgradeHead(path))
		accepted = 0
		for line := ""; line != "\r\n"; accepted += uint64(len(line)) {
			var err error
			if line, err = c.r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		for range kind + 1 { // one message of a byte, two of two, three of three
			text := strings.Repeat("x", kind+1)
			c.send(clientFrame(1, text))
			if _, got := c.frame(); got != text {
				t.Fatalf("got %q", got)
			}
		}
	}
	for kind := range uint64(len(paths)) {
		of, n := &s.traffic[kind], kind+1
		const masked, unmasked = 6, 2 // the head of a short frame
		if in := of.bytesIn.Load(); in != n*(masked+n) {
			t.Errorf("kind %d: %d bytes in", kind, in)
		}
		eventually(t, "what was written is counted", func() bool { return of.messagesOut.Load() == n && of.bytesOut.Load() == accepted+n*(unmasked+n) })
		if of.messagesIn.Load() != n {
			t.Errorf("kind %d: %d messages in", kind, of.messagesIn.Load())
		}
	}
	none := &s.traffic[withoutSession]
	if none.bytesIn.Load() == 0 || none.bytesOut.Load() != 0 {
		t.Errorf("%d bytes in and %d bytes out before any session", none.bytesIn.Load(), none.bytesOut.Load())
	}
	_, body := get(t, s, "/metrics")
	for kind, name := range []string{"producer", "consumer", "reader"} {
		for _, metric := range []string{"received", "sent"} {
			if line := fmt.Sprintf("\npulsegate_%s_messages_total{kind=\"%s\"} %d\n", metric, name, kind+1); !strings.Contains(body, line) {
				t.Errorf("no %s", line)
			}
		}
		if line := fmt.Sprintf("\npulsegate_received_bytes_total{kind=\"%s\"} %d\n", name, s.traffic[kind].bytesIn.Load()); !strings.Contains(body, line) {
			t.Errorf("no %s", line)
		}
	}
	if !strings.Contains(body, "\npulsegate_sent_bytes_total{kind=\"none\"} 0\n") || strings.Contains(body, `_messages_total{kind="none"}`) {
		t.Error("what belongs to no session is shown wrongly")
	}
	eventually(t, "the page itself belongs to no session", func() bool { return none.bytesOut.Load() > 0 })
}
