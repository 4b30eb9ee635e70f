package codec

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParseEncryptionKeys(t *testing.T) {
	text := base64.StdEncoding.EncodeToString([]byte(
		`{"k2":{"keyValue":"AAAA","other":1},"k1":{"keyValue":"c2VrcmV0","metadata":{"x":"y"}}}`))
	want := []EncryptionKey{
		{Name: "k1", Value: []byte("sekret"), Metadata: map[string]string{"x": "y"}},
		{Name: "k2", Value: []byte{0, 0, 0}},
	}
	for _, text := range []string{text, strings.TrimRight(text, "=")} {
		if got, err := ParseEncryptionKeys(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	for _, plain := range []string{
		``, `x`, `[]`, `null`, `{}`, `{"k":{}}`, `{"k":null}`, `{"":{"keyValue":"AAAA"}}`, `{"k":{"keyValue":""}}`, `{"k":"AAAA"}`,
		`{"k":{"keyValue":"sekret!"}}`, `{"k":{"keyValue":"AAAA","metadata":"sekret"}}`,
	} {
		got, err := ParseEncryptionKeys(base64.StdEncoding.EncodeToString([]byte(plain)))
		if !errors.Is(err, ErrEncryptionKeys) || strings.Contains(err.Error(), "sekret") {
			t.Errorf("%s: %+v, %v", plain, got, err)
		}
	}
	if got, err := ParseEncryptionKeys("!!"); !errors.Is(err, ErrEncryptionKeys) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSendRequestEncrypted(t *testing.T) {
	for fields, want := range map[string]struct {
		compression string
		size        int
	}{
		`"x":0`: {"", 0},
		`"compressionType":"LZ4","uncompressedMessageSize":10`: {"LZ4", 10},
		`"compressionType":"ZSTD","uncompressedMessageSize":0`: {"ZSTD", 0},
		`"compressionType":"NONE","uncompressedMessageSize":5`: {"NONE", 5},
		`"compressionType":"NONE"`:                             {"NONE", 0},
		`"compressionType":""`:                                 {"", 0},
	} {
		req, _, _ := decodeSend(t, `{"payload":"","encryptionParam":"AAEC",`+fields+`}`)
		param, compression, size, err := req.Encrypted()
		if err != nil || string(param) != "\x00\x01\x02" || compression != want.compression || size != want.size {
			t.Errorf("%s: %q, %q, %d, %v", fields, param, compression, size, err)
		}
	}
	for fields, want := range map[string]string{
		`"encryptionParam":"!"`:                                 "encryptionParam",
		`"compressionType":"LZ4"`:                               "go together",
		`"uncompressedMessageSize":0`:                           "go together",
		`"compressionType":"lz4","uncompressedMessageSize":10`:  `"lz4"`,
		`"compressionType":"LZ4","uncompressedMessageSize":-10`: "negative",
	} {
		req, _, _ := decodeSend(t, `{"payload":"",`+fields+`}`)
		_, _, _, err := req.Encrypted()
		var e *Error
		if !errors.As(err, &e) || e.Code != CodePayload || !strings.Contains(e.Detail, want) {
			t.Errorf("%s: %v; want a 7 with %q", fields, err, want)
		}
	}
}

func FuzzParseEncryptionKeys(f *testing.F) {
	f.Add(`{"k2":{"keyValue":"AAAA","other":1},"k1":{"keyValue":"c2VrcmV0","metadata":{"x":"y"}}}`)
	f.Add(`{"k":null,"x":{"metadata":null,"a":[1,{}],"b":"\u0041\ud800"}}`)
	f.Fuzz(func(t *testing.T, plain string) {
		keys, err := ParseEncryptionKeys(base64.StdEncoding.EncodeToString([]byte(plain)))
		if err != nil {
			if !errors.Is(err, ErrEncryptionKeys) || keys != nil {
				t.Fatalf("%q: %+v, %v", plain, keys, err)
			}
			return
		}
		var want map[string]struct {
			KeyValue string
			Metadata map[string]string
		}
		if err := json.Unmarshal([]byte(plain), &want); err != nil || len(keys) != len(want) {
			t.Fatalf("%q: %+v; encoding/json has %+v, %v", plain, keys, want, err)
		}
		for _, key := range keys {
			value, ok := refBase64(want[key.Name].KeyValue)
			if !ok || !bytes.Equal(value, key.Value) || !reflect.DeepEqual(want[key.Name].Metadata, key.Metadata) {
				t.Fatalf("%q: %+v, want %+v", plain, key, want[key.Name])
			}
		}
	})
}
