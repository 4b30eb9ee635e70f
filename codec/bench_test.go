package codec

import (
	stdbase64 "encoding/base64"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	goccy "github.com/goccy/go-json"
)

var benchSizes = []struct {
	name string
	size int
}{{"100B", 100}, {"1KB", 1 << 10}, {"64KB", 64 << 10}}

// benchRequest is what a decoder by reflection fills.
type benchRequest struct {
	Payload    []byte            `json:"payload"`
	Properties map[string]string `json:"properties"`
	Context    *string           `json:"context"`
	Key        *string           `json:"key"`
}

func BenchmarkDecodeSend(b *testing.B) {
	for _, c := range benchSizes {
		payload := stdbase64.StdEncoding.EncodeToString(make([]byte, c.size))
		for kind, format := range map[string]string{
			"plain":      `{"payload":"%s","context":"1"}`,
			"properties": `{"payload":"%s","properties":{"key1":"value1","key2":"value2"},"context":"1","key":"k"}`,
		} {
			frame := fmt.Appendf(nil, format, payload)
			run := func(name string, f func() error) {
				b.Run(c.name+"/"+kind+"/"+name, func(b *testing.B) {
					b.SetBytes(int64(len(frame)))
					b.ReportAllocs()
					for b.Loop() {
						if err := f(); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
			var req SendRequest
			run("codec", func() error { return DecodeSend(frame, &req) })
			run("goccy", func() error { var r benchRequest; return goccy.Unmarshal(frame, &r) })
			run("encoding-json", func() error { var r benchRequest; return json.Unmarshal(frame, &r) })
		}
	}
}

func BenchmarkDecodeAck(b *testing.B) {
	frame := []byte(`{"messageId":"CBAQACABMAM="}`)
	b.Run("codec", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if cmd, err := DecodeCommand(frame); err != nil || cmd.Err != nil {
				b.Fatal(err, cmd.Err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var cmd struct {
				Type      string `json:"type"`
				MessageID []byte `json:"messageId"`
			}
			if err := json.Unmarshal(frame, &cmd); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppendMessage(b *testing.B) {
	for _, c := range benchSizes {
		m := Message{
			ID:         MessageID{LedgerID: 12345, EntryID: 678, Partition: -1, BatchIndex: -1},
			Payload:    make([]byte, c.size),
			Properties: map[string]string{"key1": "value1", "key2": "value2"}, PublishTime: time.Now(),
		}
		buf := AppendMessage(nil, &m, Format{})
		b.Run(c.name+"/codec", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				buf = AppendMessage(buf[:0], &m, Format{})
			}
			b.SetBytes(int64(len(buf)))
		})
		// What encoding by reflection has to start from: the texts of id and time are made each time, too.
		type pushed struct {
			MessageID       string            `json:"messageId"`
			Payload         []byte            `json:"payload"`
			Properties      map[string]string `json:"properties"`
			PublishTime     time.Time         `json:"publishTime"`
			RedeliveryCount uint32            `json:"redeliveryCount"`
		}
		for name, marshal := range map[string]func(any) ([]byte, error){"goccy": goccy.Marshal, "encoding-json": json.Marshal} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				var out []byte
				for b.Loop() {
					p := pushed{stdbase64.StdEncoding.EncodeToString(m.ID.AppendBinary(nil)), m.Payload, m.Properties, m.PublishTime, 0}
					var err error
					if out, err = marshal(&p); err != nil {
						b.Fatal(err)
					}
				}
				b.SetBytes(int64(len(out)))
			})
		}
	}
}

func BenchmarkAppendSendOK(b *testing.B) {
	id := MessageID{LedgerID: 12345, EntryID: 678, Partition: -1, BatchIndex: -1}
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendSendOK(buf[:0], id, "1", true)
	}
}

func BenchmarkBase64(b *testing.B) {
	for _, c := range benchSizes {
		data := make([]byte, c.size)
		text := appendBase64(nil, data)
		buf := make([]byte, 0, len(text))
		run := func(name string, f func()) {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(c.size))
				for b.Loop() {
					f()
				}
			})
		}
		run("decode/codec", func() { decodeBase64(text) })
		run("decode/encoding-base64", func() {
			out := make([]byte, stdbase64.StdEncoding.DecodedLen(len(text)))
			if _, err := stdbase64.StdEncoding.Decode(out, text); err != nil {
				b.Fatal(err)
			}
		})
		run("encode/codec", func() { buf = appendBase64(buf[:0], data) })
		run("encode/encoding-base64", func() { buf = stdbase64.StdEncoding.AppendEncode(buf[:0], data) })
	}
}
