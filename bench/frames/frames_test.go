package frames

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bench/measure"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/codec/ws"
)

type payloads struct{ got [][]byte }

func (p *payloads) Message(_ ws.Opcode, b []byte) bool {
	p.got = append(p.got, append([]byte(nil), b...))
	return true
}
func (*payloads) Ping([]byte)          {}
func (*payloads) Costly(m *ws.Costly)  { m.Release() }
func (*payloads) Pong([]byte)          {}
func (*payloads) Close(uint16, string) {}

// unframe gives what a server reads from masked frames.
func unframe(t *testing.T, b []byte) [][]byte {
	t.Helper()
	var r ws.Reader
	var p payloads
	if _, err := r.Feed(&ws.Limits{MaxMessage: 1 << 20}, b, &p); err != nil {
		t.Fatal(err)
	}
	return p.got
}

var stamp = Stamp{measure.Source{Run: 7, Sender: 9}, 12345, 1_700_000_000_123_456_789}

// A request is what the gateway's codec takes, and a message made of it carries
// the stamp to the receiver.
func TestRequestToMessage(t *testing.T) {
	for _, c := range []Content{
		{Size: 30}, {Size: 31}, {Size: 100}, {Size: 65536, Keys: 10},
		{Size: 50, Properties: map[string]string{"a": `q"uote`, "messageId": "x"}},
		{File: []byte("short")}, {File: []byte{}, Properties: map[string]string{"b": "2"}, Keys: 1},
	} {
		name := fmt.Sprintf("%d bytes, %d of file, %v", c.Size, len(c.File), c.Properties)
		template, err := NewTemplate(c)
		if err != nil {
			t.Fatal(err)
		}
		got := unframe(t, template.Append(template.Append(nil, stamp, 0xdeadbeef), stamp, 1))
		if len(got) != 2 || string(got[0]) != string(got[1]) {
			t.Fatalf("%s: %d frames", name, len(got))
		}
		var req codec.SendRequest
		if err := codec.DecodeSend(got[0], &req); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if req.Context != "12345" || req.HasKey != (c.Keys > 0) || c.File == nil && len(req.Payload) != c.Size || c.File != nil && string(req.Payload) != string(c.File) {
			t.Errorf("%s: %+v", name, req)
		}
		for k, v := range c.Properties {
			if req.Properties[k] != v {
				t.Errorf("%s: property %s is %q", name, k, req.Properties[k])
			}
		}
		pushed := codec.AppendMessage(nil, &codec.Message{
			Payload: req.Payload, Properties: req.Properties, PublishTime: time.Now(), RedeliveryCount: 42,
		}, codec.Format{})
		m, err := ParseMessage(pushed)
		if err != nil || !m.Stamped || m.Stamp != stamp || m.Redelivery != 42 {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
		// Another server may write its JSON with spaces and in another order.
		var loose map[string]any
		if err := json.Unmarshal(pushed, &loose); err != nil {
			t.Fatal(err)
		}
		spaced, _ := json.MarshalIndent(loose, "", "  ")
		if m2, err := ParseMessage(spaced); err != nil || m2.Stamp != stamp || string(m2.ID) != string(m.ID) || m2.Redelivery != 42 {
			t.Errorf("%s: spaced: %+v, %v", name, m2, err)
		}
	}
}

func TestTemplateErrors(t *testing.T) {
	if _, err := NewTemplate(Content{Size: 29}); err == nil || !strings.Contains(err.Error(), "30") {
		t.Errorf("got %v", err)
	}
	if _, err := NewTemplate(Content{Size: 100, Properties: map[string]string{Property: ""}}); err == nil {
		t.Error("took its own property")
	}
}

func TestForeignMessage(t *testing.T) {
	text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("not ours ", 10)))
	m, err := ParseMessage([]byte(`{"messageId":"CAUQADAA","payload":"` + text + `","properties":{}}`))
	if err != nil || m.Stamped || string(m.ID) != "CAUQADAA" || m.Redelivery != 0 {
		t.Errorf("%+v, %v", m, err)
	}
	for _, bad := range []string{`{"endOfTopic":true}`, "x", `{"type":"AUTH_CHALLENGE"}`} {
		if _, err := ParseMessage([]byte(bad)); err == nil {
			t.Errorf("%s is no message", bad)
		}
	}
}

func TestReply(t *testing.T) {
	for _, tc := range []struct {
		frame string
		want  Reply
		bad   bool
	}{
		{`{"result":"ok","messageId":"CAUQADAA","context":"5","errorCode":0,"schemaVersion":0}`, Reply{5, ""}, false},
		{`{ "result": "ok", "context": "6" }`, Reply{6, ""}, false},
		{`{"result":"send-error:8","errorMsg":"queue \"full\"","context":"7"}`, Reply{7, `send-error:8: queue "full"`}, false},
		{`{"result":"send-error:3","errorMsg":"bad"}`, Reply{}, true},
		{`{"result":"ok","context":"abc"}`, Reply{}, true},
		{`nonsense`, Reply{}, true},
	} {
		r, err := ParseReply([]byte(tc.frame))
		if r != tc.want || (err != nil) != tc.bad {
			t.Errorf("%s: %+v, %v", tc.frame, r, err)
		}
	}
}

func TestCommands(t *testing.T) {
	b := AppendPermit(AppendAck(nil, []byte("CAUQADAA"), 77), 100, 78)
	got := unframe(t, b)
	if len(got) != 2 || string(got[0]) != `{"messageId":"CAUQADAA"}` || string(got[1]) != `{"type":"permit","permitMessages":100}` {
		t.Errorf("got %q", got)
	}
}

// Building and reading a frame allocates nothing.
func TestAllocations(t *testing.T) {
	template, err := NewTemplate(Content{Size: 100, Keys: 3})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 0, 1<<10)
	reply := []byte(`{"result":"ok","messageId":"CAUQADAA","context":"5","errorCode":0,"schemaVersion":0}`)
	pushed := codec.AppendMessage(nil, &codec.Message{Payload: make([]byte, 100)}, codec.Format{})
	if n := testing.AllocsPerRun(100, func() {
		out = template.Append(out[:0], stamp, 5)
		if r, err := ParseReply(reply); err != nil || r.Seq != 5 {
			t.Fatal(err)
		}
		if m, err := ParseMessage(pushed); err != nil || m.Stamped {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
