package codec

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkDecodeHostile is the most work that frames of 1 MiB were found to make.
func BenchmarkDecodeHostile(b *testing.B) {
	const size = 1 << 20
	fill := func(head, tail string, one func(i int) string) []byte {
		var s strings.Builder
		s.WriteString(head)
		for i := 0; s.Len() < size-len(tail)-40; i++ {
			s.WriteString(one(i))
		}
		s.WriteString(tail)
		return []byte(s.String())
	}
	same := func(text string) func(int) string { return func(int) string { return text } }
	for name, frame := range map[string][]byte{
		"properties":       fill(`{"payload":"","properties":{"":""`, `}}`, func(i int) string { return fmt.Sprintf(`,"%x":""`, i) }),
		"null-properties":  fill(`{"payload":"","properties":{"":""`, `}}`, func(i int) string { return fmt.Sprintf(`,"%x":null`, i) }),
		"wrong-properties": fill(`{"payload":"","properties":{"":""`, `}}`, func(i int) string { return fmt.Sprintf(`,"%x":[]`, i) }),
		"escapes":          fill(`{"payload":"","context":"`, `"}`, same(`\n`)),
		"unicode":          fill(`{"payload":"","key":"`, `"}`, same(`\ud83d\ude00`)),
		"wrong-payload":    fill(`{"payload":"`, `"}`, same(`AAA=`)),
		"escaped-payload":  fill(`{"payload":"`, `"}`, same(`\u0041`)),
		"payloads":         fill(`{"a":0`, `}`, same(`,"payload":""`)),
		"contexts":         fill(`{"payload":""`, `}`, same(`,"context":"x"`)),
		"times":            fill(`{"payload":""`, `}`, same(`,"eventTime":"2026-01-01T00:00:00Z"`)),
		"numbers":          fill(`{"payload":"","a":[1`, `]}`, same(`,1e5`)),
		"clusters":         fill(`{"payload":"","replicationClusters":[""`, `]}`, same(`,""`)),
		"nested":           fill(`{"payload":"","a":[0`, `]}`, same(`,[[[]]]`)),
		"digits":           fill(`{"payload":"","deliverAt":1`, `}`, same(`1`)),
		"exponent":         []byte(`{"payload":"","deliverAt":1e999999999}`),
		"space":            fill(`{`, `}`, same(` `)),
		"empty-objects":    fill(`{"payload":"","a":[0`, `]}`, same(`,{}`)),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				var r SendRequest
				_ = DecodeSend(frame, &r)
			}
		})
	}
	for name, frame := range map[string][]byte{
		"id":     fill(`{"messageId":"`, `"}`, same(`AAAA`)),
		"ids":    fill(`{"type":"x"`, `}`, same(`,"messageId":"CAEQAg=="`)),
		"fields": fill(`{"type":"x"`, `}`, same(`,"a":0`)),
		"auth":   fill(`{"type":"AUTH_RESPONSE","authResponse":{"a":0`, `}}`, same(`,"a":""`)),
	} {
		b.Run("command-"+name, func(b *testing.B) {
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = DecodeCommand(frame)
			}
		})
	}
}
