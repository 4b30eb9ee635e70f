package codec

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// decodeSend returns the code, 0 for success, with the request.
func decodeSend(t *testing.T, frame string) (SendRequest, Code, string) {
	t.Helper()
	// A request must not keep what an earlier one left behind.
	req := SendRequest{Payload: []byte("old"), Context: "old", HasContext: true, Properties: map[string]string{"old": ""}}
	err := DecodeSend([]byte(frame), &req)
	if err == nil {
		return req, 0, ""
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: %T is not an *Error", frame, err)
	}
	return req, e.Code, e.Detail
}

func TestDecodeSendWholeRequest(t *testing.T) {
	got, code, detail := decodeSend(t, `{"payload":"SGVsbG8gV29ybGQ=","properties":{"key1":"value1","n":1.50,"b":true},
		"context":"1","key":"k","replicationClusters":["c",5],"eventTime":"2020-01-02T03:04:05.678Z",
		"deliverAt":1600000000000,"deliverAfterMs":5000,"disableReplication":true,
		"encryptionParam":"AAEC","compressionType":"LZ4","uncompressedMessageSize":10}`)
	want := SendRequest{
		Payload:    []byte("Hello World"),
		Properties: map[string]string{"key1": "value1", "n": "1.50", "b": "true"},
		Context:    "1", HasContext: true, Key: "k", HasKey: true,
		ReplicationClusters: []string{"c", "5"}, DisableReplication: true,
		EventTime: time.Date(2020, 1, 2, 3, 4, 5, 678e6, time.UTC),
		DeliverAt: time.UnixMilli(1600000000000), DeliverAfter: 5 * time.Second,
		EncryptionParam: "AAEC", CompressionType: "LZ4", UncompressedMessageSize: 10, HasUncompressedMessageSize: true,
	}
	if code != 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("code %d %s\n got %+v\nwant %+v", code, detail, got, want)
	}
}

func TestDecodeSendContext(t *testing.T) {
	for json, want := range map[string]string{
		`5`: "5", `1.50`: "1.50", `1e5`: "1e5", `1E+05`: "1E+05", `-0`: "-0", `true`: "true", `false`: "false", `""`: "",
		`12345678901234567890123456789012345678901234567890`: "12345678901234567890123456789012345678901234567890",
		`"aé😀"`:                       "aé😀",
		`"a\u00e9\ud83d\ude00\u2028"`: "aé😀\u2028",
		`"\ud83d"`:                    "\uFFFD",
		`"\ude00x"`:                   "\uFFFDx",
		`"\ud83dx"`:                   "\uFFFDx",
		`"\ud83d\u0041"`:              "\uFFFDA",
		`"\ud83d\ud83d\ude00"`:        "\uFFFD😀",
		`"\/\b\f\n\r\t\"\\<>&'\u0000\u001F\u007f"`: "/\b\f\n\r\t\"\\<>&'\x00\x1f\x7f",
		"\"\x7f\"": "\x7f",
	} {
		req, code, detail := decodeSend(t, `{"payload":"","context":`+json+`}`)
		if code != 0 || !req.HasContext || req.Context != want {
			t.Errorf("context %s: %q, %v, code %d %s; want %q", json, req.Context, req.HasContext, code, detail, want)
		}
	}
	if req, code, _ := decodeSend(t, `{"payload":"","context":null,"key":null}`); code != 0 || req.HasContext || req.HasKey {
		t.Errorf("null is no context and no key: %+v, code %d", req, code)
	}
	if req, code, _ := decodeSend(t, `{"payload":"","key":""}`); code != 0 || !req.HasKey || req.Key != "" {
		t.Errorf("an empty key is a key: %+v, code %d", req, code)
	}
}

func TestDecodeSendPayload(t *testing.T) {
	for json, want := range map[string]string{
		`"aGk="`: "hi", `"aGk"`: "hi", `""`: "", `"aGk\u003d"`: "hi", `"aG\/k"`: "h\x6f\xe4", `1234`: "\xd7\x6d\xf8",
		`true`: "\xb6\xbb\x9e",
	} {
		req, code, detail := decodeSend(t, `{"context":"c","payload":`+json+`}`)
		if code != 0 || string(req.Payload) != want || req.Payload == nil {
			t.Errorf("payload %s: %q, code %d %s; want %q", json, req.Payload, code, detail, want)
		}
	}
	for json, want := range map[string]string{
		`null`: "missing", `"a"`: "byte", `"aGk\n"`: "0xa", `"aG k"`: "0x20", `"aG-_"`: "0x2d", `"aGk=="`: "padding", `1.50`: "0x2e",
		`5`: "byte",
	} {
		req, code, detail := decodeSend(t, `{"payload":`+json+`,"context":"c"}`)
		if code != CodePayload || !strings.Contains(detail, "payload") || !strings.Contains(detail, want) || req.Context != "c" || req.Payload != nil {
			t.Errorf("payload %s: %+v, code %d %s; want code 7, %q and the context", json, req, code, detail, want)
		}
	}
	for _, frame := range []string{`{}`, `{"Payload":"aGk="}`, `{"payload":"aGk=","payload":null}`} {
		if _, code, detail := decodeSend(t, frame); code != CodePayload || detail != "payload is missing" {
			t.Errorf("%s: code %d %s; want 7", frame, code, detail)
		}
	}
}

func TestDecodeSendLastFieldCounts(t *testing.T) {
	req, code, detail := decodeSend(t, `{"payload":"!!","eventTime":"x","properties":{"a":null,"b":"1"},"key":"k","context":"1",
		"replicationClusters":[null],"deliverAt":5,"disableReplication":true,
		"payload":"aGk=","eventTime":null,"properties":{"c":"1","c":null,"c":"2"},"key":null,"context":"2",
		"replicationClusters":[],"deliverAt":null,"disableReplication":0}`)
	want := SendRequest{Payload: []byte("hi"), Properties: map[string]string{"c": "2"}, Context: "2", HasContext: true}
	if code != 0 || !reflect.DeepEqual(req, want) {
		t.Errorf("code %d %s\n got %+v\nwant %+v", code, detail, req, want)
	}
}

// What is no JSON object has no context: it could not be read.
func TestDecodeSendNotJSON(t *testing.T) {
	const ok = `{"context":"c","payload":"aGk="`
	for _, frame := range []string{
		``, ` `, `null`, `[]`, `"x"`, `""`, `5`, `true`, `x`, `{`, `}`, ok, ok + `,`, ok + `,}`, ok + ` "a":1}`, ok + `,"a"}`,
		ok + `,"a":}`, ok + `,"a":1,,"b":1}`, ok + `,a:1}`, ok + `,'a':1}`, `{payload:"aGk="}`, "\ufeff" + ok + `}`,
		"\v" + ok + `}`, "\u00a0" + ok + `}`, `/*c*/` + ok + `}`, ok + `]`,
		ok + `,"a":01}`, ok + `,"a":+1}`, ok + `,"a":.5}`, ok + `,"a":1.}`, ok + `,"a":1e}`, ok + `,"a":1e+}`, ok + `,"a":-}`,
		ok + `,"a":NaN}`, ok + `,"a":0x1}`, ok + `,"a":--1}`, ok + `,"a":1`,
		ok + `,"a":nul}`, ok + `,"a":nulls}`, ok + `,"a":True}`, ok + `,"a":t`,
		ok + `,"a":"\x"}`, ok + `,"a":"\'"}`, ok + `,"a":"\u12g4"}`, ok + `,"a":"\u12"}`, ok + `,"a":"\u`, ok + `,"a":"\`,
		ok + `,"a":"`, ok + `,"a":"b`, ok + ",\"a\":\"\t\"}", ok + ",\"a\":\"\x00\"}", ok + ",\"a\n\":1}", ok + ",\"a\":\"bcdefghijk\n\"}",
		ok + ",\"a\":\"\xff\"}", ok + ",\"\xff\":1}", ok + ",\"a\":\"abcdefgh\xc3\"}", ok + ",\"a\":\"\xed\xa0\x80\"}", ok + ",\xff}",
		ok + `,"a":[1,,2]}`, ok + `,"a":[1,]}`, ok + `,"a":[,1]}`, ok + `,"a":[1 2]}`, ok + `,"a":[1}}`, ok + `,"a":{"b"}}`,
		ok + `,"a":{"b":1,}}`, ok + `,"a":[`, ok + `,"a":{`, ok + `,"a":[[]`, ok + `,"a":[}`, ok + `,"a":{]`,
		ok + `,"properties":{"a":"1"`, ok + `,"properties":{"a":"1",}}`, ok + `,"properties":{"a"}}`, ok + `,"properties":{"a":[1,]}}`,
		ok + `,"replicationClusters":["a",]}`, ok + `,"replicationClusters":["a"`, ok + `,"replicationClusters":[{]]}`,
		ok + `,"payload":"aGk` + "\n" + `"}`, ok + `,"payload":[}}`, ok + `,"key":{]}`, ok + `,"eventTime":[}`, ok + `,"deliverAt":[}`,
		ok + `,"disableReplication":[}`, ok + `,"properties":[}`, ok + `,"replicationClusters":{]`,
	} {
		req, code, detail := decodeSend(t, frame)
		if code != CodeDeserialize || detail == "" || !reflect.DeepEqual(req, SendRequest{}) {
			t.Errorf("%q: code %d %q, %+v; want 3 with a reason and nothing read", frame, code, detail, req)
		}
	}
}

// Values that cannot be meant are named, and the context, which could be read, comes back.
func TestDecodeSendWrongTypes(t *testing.T) {
	for fields, want := range map[string]string{
		`"payload":[]`: "payload", `"payload":{}`: "payload", `"key":{}`: "key", `"key":["x"]`: "key",
		`"properties":""`: "properties", `"properties":"x"`: "properties", `"properties":[]`: "properties", `"properties":5`: "properties",
		`"properties":{"a":{}}`: `"a"`, `"properties":{"a":[]}`: `"a"`, `"properties":{"a":null}`: `"a"`,
		`"properties":{"b":"","a":1,"a":null}`: `"a"`, `"properties":{"` + strings.Repeat("n", 1000) + `":null}`: "nnn",
		`"replicationClusters":"standalone"`: "replicationClusters", `"replicationClusters":{}`: "replicationClusters",
		`"replicationClusters":""`: "replicationClusters", `"replicationClusters":5`: "replicationClusters",
		`"replicationClusters":[null]`: "replicationClusters", `"replicationClusters":["a",{}]`: "replicationClusters",
		`"eventTime":{}`: "eventTime", `"eventTime":[]`: "eventTime",
		`"deliverAt":"x"`: "deliverAt", `"deliverAt":true`: "deliverAt", `"deliverAt":[5]`: "deliverAt", `"deliverAt":{}`: "deliverAt",
		`"deliverAt":"1.6"`: "deliverAt", `"deliverAt":"1e3"`: "deliverAt", `"deliverAt":99999999999999999999`: "deliverAt",
		`"deliverAt":1e30`: "deliverAt", `"deliverAt":-1e30`: "deliverAt", `"deliverAt":1e999`: "deliverAt", `"deliverAt":"1_0"`: "deliverAt",
		`"deliverAfterMs":"x"`: "deliverAfterMs", `"deliverAfterMs":false`: "deliverAfterMs",
		`"disableReplication":"yes"`: "disableReplication", `"disableReplication":1.5`: "disableReplication",
		`"disableReplication":{}`: "disableReplication", `"uncompressedMessageSize":99999999999`: "uncompressedMessageSize",
		`"uncompressedMessageSize":"x"`: "uncompressedMessageSize", `"compressionType":[]`: "compressionType",
		`"encryptionParam":{}`: "encryptionParam", `"deliverAt":"x","deliverAt":5`: "deliverAt",
	} {
		req, code, detail := decodeSend(t, `{"payload":"aGk=",`+fields+`,"context":"c"}`)
		if code != CodeDeserialize || !strings.Contains(detail, want) || len(detail) > 200 || req.Context != "c" || !req.HasContext {
			t.Errorf("%s: code %d %q, context %q; want 3 naming %s, context c", fields, code, detail, req.Context, want)
		}
	}
	for _, context := range []string{`{}`, `[]`, `["x"]`, `{"a":[{}]}`} {
		if req, code, detail := decodeSend(t, `{"payload":"aGk=","context":`+context+`}`); code != CodeDeserialize || req.HasContext || !strings.Contains(detail, "context") {
			t.Errorf("context %s: code %d %q, %+v", context, code, detail, req)
		}
	}
}

// A bad payload is found before a null property or a bad time.
func TestDecodeSendOrderOfFaults(t *testing.T) {
	for _, field := range []string{`"eventTime":"x"`, `"properties":{"a":null}`, `"replicationClusters":[null]`} {
		if _, code, detail := decodeSend(t, `{`+field+`,"payload":"!!"}`); code != CodePayload || !strings.Contains(detail, "payload") {
			t.Errorf("%s: code %d %s; want the payload's 7", field, code, detail)
		}
	}
}

func TestDecodeSendNumbersAndBooleans(t *testing.T) {
	for json, want := range map[string]int64{
		`5`: 5, `"5"`: 5, `" 5 "`: 5, `"+5"`: 5, `"007"`: 7, `1.9`: 1, `1e3`: 1000, `-5`: 0, `"-5"`: 0, `0`: 0, `null`: 0, `""`: 0, `" "`: 0,
		`"null"`: 0, `-0`: 0, `0.9`: 0, `"\u0035"`: 5, `9223372036854`: 9223372036854,
	} {
		req, code, detail := decodeSend(t, `{"payload":"","deliverAt":`+json+`,"deliverAfterMs":`+json+`}`)
		wantAt := time.Time{}
		if want > 0 {
			wantAt = time.UnixMilli(want)
		}
		if code != 0 || req.DeliverAfter.Milliseconds() != want || !req.DeliverAt.Equal(wantAt) {
			t.Errorf("%s: at %v, after %v, code %d %s; want %d ms", json, req.DeliverAt, req.DeliverAfter, code, detail, want)
		}
	}
	for _, json := range []string{`9223372036854775807`, `9223372036854775807.0`, `"9223372036854775807"`} {
		req, code, _ := decodeSend(t, `{"payload":"","deliverAt":`+json+`,"deliverAfterMs":`+json+`}`)
		if code != 0 || req.DeliverAt.UnixMilli() != 9223372036854775807 || req.DeliverAfter < 292*365*24*time.Hour {
			t.Errorf("%s: at %v, after %v, code %d", json, req.DeliverAt, req.DeliverAfter, code)
		}
	}
	for json, want := range map[string]bool{
		`true`: true, `false`: false, `"true"`: true, `"True"`: true, `" TRUE"`: true, `"false"`: false, `"FALSE"`: false,
		`""`: false, `"null"`: false, `null`: false, `1`: true, `0`: false, `-7`: true,
	} {
		if req, code, detail := decodeSend(t, `{"payload":"","disableReplication":`+json+`}`); code != 0 || req.DisableReplication != want {
			t.Errorf("disableReplication %s: %v, code %d %s", json, req.DisableReplication, code, detail)
		}
	}
}

func TestDecodeSendAccepts(t *testing.T) {
	deep := strings.Repeat("[", 999) + strings.Repeat("]", 999)
	for _, frame := range []string{
		`{"payload":"aGk="} x`, `{"payload":"aGk="}{"payload":"eA=="}`, `{"payload":"aGk="}}`, "{\"payload\":\"aGk=\"}\x00\xff",
		" \r\n\t{ \"payload\" : \"aGk=\" } ", `{"payload":"aGk=","unknown":{"a":[1,{"b":null}],"c":{}},"e":[],"f":{}}`, `{"":"x","payload":"aGk="}`,
		`{"p\u0061yload":"aGk="}`, `{"payload":"aGk=","u":` + deep + `}`, `{"payload":"aGk=","schemaVersion":1,"type":"ack"}`,
		`{"payload":"aGk=","properties":null,"replicationClusters":null,"eventTime":null}`, `{"payload":"aGk=","properties":{}}`,
	} {
		if req, code, detail := decodeSend(t, frame); code != 0 || !reflect.DeepEqual(req, SendRequest{Payload: []byte("hi")}) {
			t.Errorf("%.80q: %+v, code %d %s", frame, req, code, detail)
		}
	}
}

func TestDecodeSendNestingIsBounded(t *testing.T) {
	for _, open := range []string{"[", `{"a":`, `[{"a":`} {
		for _, head := range []string{"", `{"payload":"aGk=","u":`, `{"payload":`, `{"properties":{"a":`, `{"replicationClusters":[`} {
			frame := head + strings.Repeat(open, 1<<20/len(open))
			if _, code, _ := decodeSend(t, frame); code != CodeDeserialize {
				t.Errorf("%.60s...: code %d, want 3", frame, code)
			}
		}
	}
	for _, c := range []struct {
		head string
		room int
	}{{`{"payload":"","u":`, 999}, {`{"payload":"","properties":{"a":`, 998}, {`{"payload":"","replicationClusters":[`, 998}} {
		for extra := range 2 {
			n := c.room + extra
			_, _, detail := decodeSend(t, c.head+strings.Repeat("[", n)+strings.Repeat("]", n)+`}`)
			if tooDeep := strings.Contains(detail, "nesting"); tooDeep != (extra == 1) {
				t.Errorf("%s and %d levels: %q", c.head, n, detail)
			}
		}
	}
}

func TestDecodeSendKeepsNothingOfTheFrame(t *testing.T) {
	frame := []byte(`{"payload":"aGk=","context":"abc","key":"def","properties":{"ghi":"jkl"},"replicationClusters":["mno"],"compressionType":"LZ4","encryptionParam":"AAAA"}`)
	var req, want SendRequest
	if err := DecodeSend(frame, &req); err != nil {
		t.Fatal(err)
	}
	if err := DecodeSend(slices.Clone(frame), &want); err != nil {
		t.Fatal(err)
	}
	for i := range frame {
		frame[i] = '#'
	}
	if !reflect.DeepEqual(req, want) {
		t.Errorf("changed with the frame: %+v", req)
	}
}

func FuzzDecodeSend(f *testing.F) {
	for _, s := range []string{
		`{"payload":"SGVsbG8gV29ybGQ=","properties":{"key1":"value1","key2":"value2"},"context":"1"}`,
		`{"payload":"aGk=","context":5,"key":true,"replicationClusters":["a",1,null],"eventTime":"2020-01-02T03:04:05.678+01:00"}`,
		`{"payload":"aGk","deliverAt":"1600000000000","deliverAfterMs":1.5e3,"disableReplication":"True","x":[{"y":[]},null]} x`,
		`{"payload":"aG\/k","encryptionParam":"AAEC","compressionType":"LZ4","uncompressedMessageSize":"10"}`,
		`{"payload":"!!","payload":"","properties":{"a":null,"a":"\ud83d\ude00\ud83d"},"context":null}`,
		`{"payload":null,"context":"c"}`, `{"context":{}}`, `null`, `[]`, ``, "{\"payload\":\"\xff\"}", "\ufeff{}",
		`{"eventTime":"+12020-02-29t03:04z","payload":""}`, `{"deliverAt":9223372036854775808,"payload":""}`,
		`{"payload":"` + strings.Repeat("QUJD", 30) + `\u003d"}`, `{"properties":{"":""},"payload":1234}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		before := slices.Clone(frame)
		var got SendRequest
		err := DecodeSend(frame, &got)
		if !slices.Equal(frame, before) {
			t.Fatal("DecodeSend changed the frame")
		}
		code := Code(0)
		if err != nil {
			code = err.(*Error).Code
		}
		want, wantCode := refSend(frame)
		if code != wantCode {
			t.Fatalf("%q: %v, want code %d", frame, err, wantCode)
		}
		if got.Context != want.Context || got.HasContext != want.HasContext {
			t.Fatalf("%q: context %q, %v; want %q, %v", frame, got.Context, got.HasContext, want.Context, want.HasContext)
		}
		if code == 0 && !sameRequest(got, want) {
			t.Fatalf("%q:\n got %+v\nwant %+v", frame, got, want)
		}
	})
}

// sameRequest compares requests; nil and empty properties and clusters are the same.
func sameRequest(a, b SendRequest) bool {
	same := slices.Equal(a.Payload, b.Payload) && maps.Equal(a.Properties, b.Properties) &&
		slices.Equal(a.ReplicationClusters, b.ReplicationClusters) && a.EventTime.Equal(b.EventTime) && a.DeliverAt.Equal(b.DeliverAt)
	a.Payload, a.Properties, a.ReplicationClusters, a.EventTime, a.DeliverAt, a.pooled = nil, nil, nil, time.Time{}, time.Time{}, b.pooled
	b.Payload, b.Properties, b.ReplicationClusters, b.EventTime, b.DeliverAt = nil, nil, nil, time.Time{}, time.Time{}
	return same && reflect.DeepEqual(a, b)
}
