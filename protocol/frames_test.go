//go:build node

package protocol

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/conformance"
	"github.com/pulsegate/pulsegate/conformance/targets"
)

// frame is one that the schemas are asked about.
type frame struct {
	Schema string `json:"schema"`
	Closed bool   `json:"closed"` // it may hold nothing that the schema does not name
	Text   string `json:"text"`
	// fault is why the server does not take the frame, "" if it does.
	fault string
}

// verdict is what check.mjs says of a frame that it does not find valid.
type verdict struct {
	Line   int    `json:"line"` // from 1 on
	Parsed bool   `json:"parsed"`
	Errors string `json:"errors"`
}

// beyond are the reasons for which the server refuses frames that a schema cannot know.
var beyond = regexp.MustCompile(strings.Join([]string{
	`is not an ISO-8601 date`,                     // there is no 30 February
	`not a message id`,                            // it is base64, but of something else
	`at byte \d+: more than 1000`,                 // levels of nesting
	`compressionType and uncompressedMessageSize`, // which one session wants together and others ignore
}, "|"))

// TestFrames runs the conformance table on the embedded upstream and asks the
// schemas about every message that goes or comes: they have to take what the
// server takes and sends, and to refuse what it refuses.
func TestFrames(t *testing.T) {
	var mu sync.Mutex
	seen := map[frame]bool{}
	target := targets.Embedded(t)
	target.Observed = func(e conformance.Exchange) {
		mu.Lock()
		defer mu.Unlock()
		seen[judged(e)] = true
	}
	conformance.Run(t.Context(), target, conformance.Table())
	for _, e := range append(rare(), documented(t)...) {
		seen[judged(e)] = true
	}

	var frames []frame
	var lines bytes.Buffer
	counts := map[string]int{}
	for f := range seen {
		if f.Schema == "" {
			continue
		}
		frames = append(frames, f)
		counts[f.Schema]++
		line, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(line, '\n'))
	}
	for schema, least := range map[string]int{"ProducerFrame": 200, "ProducerAnswer": 200, "ConsumerFrame": 100, "ReaderFrame": 10, "Delivery": 100, "Refusal": 50} {
		if counts[schema] < least {
			t.Errorf("only %d different frames of %s were seen", counts[schema], schema)
		}
	}

	refused := map[int]verdict{}
	for line := range bytes.Lines(node(t, lines.Bytes(), "check.mjs")) {
		var v verdict
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		refused[v.Line-1] = v
	}
	for i, f := range frames {
		v, isRefused := refused[i]
		switch {
		case !isRefused && f.fault != "" && !beyond.MatchString(f.fault):
			t.Errorf("%s takes what the server refuses (%s):\n%s", f.Schema, f.fault, shorten(f.Text))
		case isRefused && f.fault == "" && v.Parsed:
			t.Errorf("%s refuses what the server takes or sends (%s):\n%s", f.Schema, v.Errors, shorten(f.Text))
		case isRefused && f.fault == "" && !v.Parsed && !hasTextBehind(f.Text):
			t.Errorf("%s: what the server takes or sends is no JSON (%s):\n%s", f.Schema, v.Errors, shorten(f.Text))
		}
	}
}

// judged says which schema a message is of, and whether the server takes it.
func judged(e conformance.Exchange) frame {
	f := frame{Text: e.Text, Closed: e.FromServer}
	var err error
	switch {
	case !utf8.ValidString(e.Text): // no message at all
	case e.FromServer && e.Session == "":
		f.Schema = "Refusal"
		if !strings.HasPrefix(e.Text, "{") { // the answer to no handshake at all
			f.Schema = ""
		}
	case e.FromServer && e.Session == "producer":
		f.Schema = "ProducerAnswer"
	case e.FromServer:
		f.Schema = "Delivery"
	case e.Session == "producer":
		f.Schema = "ProducerFrame"
		if _, ok := codec.DecodeAuthResponse([]byte(e.Text)); !ok {
			err = codec.DecodeSend([]byte(e.Text), new(codec.SendRequest))
		}
	case e.Session == "consumer":
		f.Schema = "ConsumerFrame"
		var cmd codec.Command
		if cmd, err = codec.DecodeCommand([]byte(e.Text)); err == nil {
			err = cmd.Err
		}
	case e.Session == "reader":
		f.Schema = "ReaderFrame"
		_, err = codec.DecodeCommand([]byte(e.Text))
	default:
		f.Schema = "of a " + e.Session + " session" // there is none: check.mjs says so
	}
	if err != nil {
		f.fault = err.Error()
	}
	return f
}

// rare are frames that the embedded upstream never sends or gets.
func rare() []conformance.Exchange {
	challenge := string(codec.AppendAuthChallenge(nil))
	encrypted := codec.AppendMessage(nil, &codec.Message{
		ID: codec.MessageID{Partition: 3, BatchIndex: 1, BatchSize: 2, Topic: "persistent://public/default/t"}, Payload: []byte{1, 2},
		PublishTime: time.Unix(0, 0), EventTime: time.UnixMilli(-1 << 50), HasKey: true, Properties: map[string]string{"a": "b"},
		Encryption: &codec.EncryptionContext{Keys: []codec.EncryptionKey{{Name: "k", Value: []byte{1}, Metadata: map[string]string{"v": "1"}}}, Param: []byte{2}, Algorithm: "AES", BatchSize: 2},
	}, codec.Format{HasContext: true})
	bare := codec.AppendMessage(nil, &codec.Message{Encryption: &codec.EncryptionContext{}}, codec.Format{})
	all := []conformance.Exchange{
		{Session: "consumer", FromServer: true, Text: string(encrypted)},
		{Session: "reader", FromServer: true, Text: string(bare)},
	}
	for _, kind := range []string{"producer", "consumer", "reader"} {
		all = append(all, conformance.Exchange{Session: kind, FromServer: true, Text: challenge})
		for _, response := range []string{
			`{"type":"AUTH_RESPONSE","authResponse":{"clientVersion":"v0","protocolVersion":0,"response":{"authMethodName":"token","authData":"t"}}}`,
			`{"type":"AUTH_RESPONSE","authResponse":{"response":{"authData":"t"}}}`,
			`{"type":"AUTH_RESPONSE","authResponse":{"response":{}}}`,
			`{"type":"AUTH_RESPONSE"}`,
		} {
			all = append(all, conformance.Exchange{Session: kind, Text: response})
		}
	}
	return all
}

// documented are the examples of the protocol's page.
func documented(t *testing.T) (all []conformance.Exchange) {
	t.Helper()
	page, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(page, -1) {
		for line := range strings.Lines(string(block[1])) {
			e := conformance.Exchange{Session: "consumer", Text: strings.TrimSpace(line)}
			switch has := func(field string) bool { return strings.Contains(line, `"`+field+`":`) }; {
			case has("reason"):
				e.Session, e.FromServer = "", true
			case has("result"):
				e.Session, e.FromServer = "producer", true
			case has("endOfTopic"), has("publishTime"), has("authChallenge"):
				e.FromServer = true
			case has("payload"):
				e.Session = "producer"
			}
			if f := judged(e); f.fault != "" {
				t.Errorf("the page's example is refused (%s): %s", f.fault, line)
			}
			all = append(all, e)
		}
	}
	if len(all) < 12 {
		t.Errorf("the page has only %d examples", len(all))
	}
	return all
}

// hasTextBehind reports whether text is a JSON object with something behind it.
func hasTextBehind(text string) bool {
	d := json.NewDecoder(strings.NewReader(text))
	var object map[string]any
	return d.Decode(&object) == nil && d.InputOffset() < int64(len(text))
}

func shorten(text string) string {
	if len(text) > 400 {
		return text[:400] + "…"
	}
	return text
}
