package codec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var plainMessage = Message{
	ID: MessageID{LedgerID: 5, EntryID: 1, Partition: -1, BatchIndex: -1}, Payload: []byte("hi"),
	PublishTime: time.Date(2026, 11, 23, 18, 14, 33, 278e6, time.UTC),
}

var fullMessage = Message{
	ID: MessageID{LedgerID: 16, Partition: -1, BatchIndex: 1, BatchSize: 3}, Payload: []byte("hi"),
	Properties:  map[string]string{"z": "1", "a": "\"<&>\\\n\x01é\u2028\xff", "": ""},
	PublishTime: time.Date(2016, 8, 30, 16, 45, 57, 785e6, time.UTC),
	EventTime:   time.Date(2020, 1, 2, 3, 4, 5, 120e6, time.UTC),
	Key:         "k1", HasKey: true, RedeliveryCount: 4294967295,
	Encryption: &EncryptionContext{
		Keys: []EncryptionKey{
			{Name: "k1", Value: []byte("sekret"), Metadata: map[string]string{"x": "y"}},
			{Name: "k2", Value: []byte{0, 0, 0}},
		},
		Param: []byte{0, 1, 2}, Algorithm: "AES", CompressionType: "LZ4", UncompressedMessageSize: 10, BatchSize: 3,
	},
}

func TestAppendMessage(t *testing.T) {
	for _, c := range []struct {
		m    Message
		f    Format
		want string
	}{
		{plainMessage, Format{},
			`{"messageId":"CAUQATAA","payload":"aGk=","properties":{},"publishTime":"2026-11-23T18:14:33.278Z","redeliveryCount":0}`},
		{plainMessage, Format{LegacyTime: true, Context: `c"`, HasContext: true},
			`{"messageId":"CAUQATAA","payload":"aGk=","properties":{},"publishTime":"2026-11-23 18:14:33.278","context":"c\"","redeliveryCount":0}`},
		{Message{ID: plainMessage.ID, HasKey: true}, Format{HasContext: true},
			`{"messageId":"CAUQATAA","payload":"","properties":{},"context":"","redeliveryCount":0,"key":""}`},
		{Message{ID: plainMessage.ID, Encryption: &EncryptionContext{UncompressedMessageSize: 2}}, Format{},
			`{"messageId":"CAUQATAA","payload":"","properties":{},"redeliveryCount":0,` +
				`"encryptionContext":{"keys":{},"param":"","compressionType":"NONE","uncompressedMessageSize":2,"batchSize":null}}`},
		{fullMessage, Format{},
			`{"messageId":"CBAQACABMAM=","payload":"aGk=","properties":{"":"","a":"\"<&>\\\n\u0001é` + "\u2028\uFFFD" + `","z":"1"},` +
				`"publishTime":"2016-08-30T16:45:57.785Z","redeliveryCount":4294967295,"eventTime":"2020-01-02T03:04:05.120Z","key":"k1",` +
				`"encryptionContext":{"keys":{"k1":{"keyValue":"c2VrcmV0","metadata":{"x":"y"}},"k2":{"keyValue":"AAAA","metadata":{}}},` +
				`"param":"AAEC","algorithm":"AES","compressionType":"LZ4","uncompressedMessageSize":10,"batchSize":3}}`},
	} {
		if got := string(AppendMessage([]byte("x"), &c.m, c.f)); got != "x"+c.want {
			t.Errorf("got  %s\nwant %s", got[1:], c.want)
		}
	}
}

func TestAppendMessageSortsManyProperties(t *testing.T) {
	m := Message{ID: plainMessage.ID, Properties: map[string]string{}}
	for i := range 100 {
		m.Properties[fmt.Sprintf("p%02d", i)] = fmt.Sprint(i)
	}
	text := string(AppendMessage(nil, &m, Format{}))
	for i, at := 0, 0; i < 100; i++ {
		next := strings.Index(text, fmt.Sprintf(`"p%02d":"%d"`, i, i))
		if next < at {
			t.Fatalf("property %d is not in its place: %s", i, text)
		}
		at = next
	}
}

func TestAppendersDoNotAllocate(t *testing.T) {
	m := fullMessage
	m.Properties = map[string]string{}
	for i := range sortedOnStack {
		m.Properties[fmt.Sprintf("property-%d", i)] = "value"
	}
	m.Payload = make([]byte, 4096)
	buf := make([]byte, 0, 1<<16)
	for name, f := range map[string]func(){
		"AppendMessage":       func() { AppendMessage(buf, &m, Format{Context: "c", HasContext: true}) },
		"AppendMessage v1":    func() { AppendMessage(buf, &plainMessage, Format{LegacyTime: true}) },
		"AppendSendOK":        func() { AppendSendOK(buf, m.ID, "context", true) },
		"AppendSendError":     func() { AppendSendError(buf, CodePayload, "detail", "context", true) },
		"AppendEndOfTopic":    func() { AppendEndOfTopic(buf, true) },
		"AppendAuthChallenge": func() { AppendAuthChallenge(buf) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestAppendReplies(t *testing.T) {
	id := MessageID{LedgerID: 5, Partition: -1, BatchIndex: -1}
	for got, want := range map[string]string{
		string(AppendSendOK([]byte("x"), id, "5", true)):         `x{"result":"ok","messageId":"CAUQADAA","context":"5","errorCode":0,"schemaVersion":0}`,
		string(AppendSendOK(nil, id, "", true)):                  `{"result":"ok","messageId":"CAUQADAA","context":"","errorCode":0,"schemaVersion":0}`,
		string(AppendSendOK(nil, id, "ignored", false)):          `{"result":"ok","messageId":"CAUQADAA","errorCode":0,"schemaVersion":0}`,
		string(AppendSendError(nil, 3, "a \"b\"", "", false)):    `{"result":"send-error:3","errorMsg":"Failed to de-serialize from JSON: a \"b\"","errorCode":0,"schemaVersion":0}`,
		string(AppendSendError([]byte("x"), 8, "", "é\n", true)): `x{"result":"send-error:8","errorMsg":"Unknown error","context":"é\n","errorCode":0,"schemaVersion":0}`,
		string(AppendContext([]byte("x"), "a\tb")):               `x,"context":"a\tb"`,
		string(AppendEndOfTopic(nil, true)):                      `{"endOfTopic":true}`,
		string(AppendEndOfTopic(nil, false)):                     `{"endOfTopic":false}`,
		string(AppendAuthChallenge(nil)):                         `{"type":"AUTH_CHALLENGE","authChallenge":{"challenge":{"authMethodName":"token","authData":"token"},"protocolVersion":0}}`,
	} {
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// pushed is a pushed message as a client reads it.
type pushed struct {
	MessageID       string            `json:"messageId"`
	Payload         []byte            `json:"payload"`
	Properties      map[string]string `json:"properties"`
	PublishTime     time.Time         `json:"publishTime"`
	EventTime       *time.Time        `json:"eventTime"`
	RedeliveryCount uint32            `json:"redeliveryCount"`
	Key             *string           `json:"key"`
	Context         *string           `json:"context"`
}

func FuzzAppendMessage(f *testing.F) {
	f.Add([]byte("hi"), "key1", "value1", "k", "c", int64(5), int64(1), int64(1480000000000), uint32(0), true)
	f.Add([]byte{}, "", "\x00\"\\\u2028\xff\xed\xa0\x80", "12345678\"", "1234567\xc3\xa9", int64(-1), int64(-1), int64(1), uint32(7), false)
	f.Fuzz(func(t *testing.T, payload []byte, name, val, key, context string, ledger, ms int64, event int64, count uint32, has bool) {
		const last = 253402300799999 // what time.Time can unmarshal: the year 9999
		ms, event = min(max(ms, -last/5), last), min(max(event, -last/5), last)
		m := Message{
			ID:      MessageID{LedgerID: ledger, EntryID: ms, Partition: int32(count) >> 1, BatchIndex: -1, Topic: strings.ToValidUTF8(key, "")},
			Payload: payload, Properties: map[string]string{name: val, "fixed": key},
			PublishTime: time.UnixMilli(ms), EventTime: time.UnixMilli(event), Key: key, HasKey: has, RedeliveryCount: count,
		}
		m.ID.Partition = max(m.ID.Partition, -1)
		text := AppendMessage(nil, &m, Format{Context: context, HasContext: has})
		if !utf8.Valid(text) {
			t.Fatalf("not UTF-8: %q", text)
		}
		var got pushed
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		id, err := ParseMessageID([]byte(got.MessageID))
		if err != nil || id != m.ID {
			t.Fatalf("id %+v came back as %+v, %v", m.ID, id, err)
		}
		properties := map[string]string{clean(name): clean(val)}
		properties["fixed"] = clean(key)
		if string(got.Payload) != string(payload) || !reflect.DeepEqual(got.Properties, properties) ||
			!got.PublishTime.Equal(m.PublishTime) || !got.EventTime.Equal(m.EventTime) || got.RedeliveryCount != count {
			t.Fatalf("%s:\n got %+v\nwant %+v", text, got, m)
		}
		if (got.Key != nil) != has || (got.Context != nil) != has || has && (*got.Key != clean(key) || *got.Context != clean(context)) {
			t.Fatalf("%s: key %q, context %q", text, key, context)
		}
	})
}

// clean replaces each byte that is not UTF-8 by U+FFFD.
func clean(s string) string { return string([]rune(s)) }
