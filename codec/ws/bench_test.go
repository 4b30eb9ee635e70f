package ws

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func BenchmarkRead(b *testing.B) {
	for _, n := range []int{100, 1000, 64 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			message := text(strings.Repeat("x", n))
			data := make([]byte, len(message))
			var r Reader
			l, h := &Limits{}, &nothing{}
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			for b.Loop() {
				copy(data, message)
				if _, err := r.Feed(l, data, h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReadInPortions is a message of 64 KiB as a socket gives it.
func BenchmarkReadInPortions(b *testing.B) {
	message := text(strings.Repeat("x", 64<<10))
	var r Reader
	l, h := &Limits{}, &nothing{}
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		for rest := message; len(rest) > 0; {
			n := min(8<<10, len(rest))
			if _, err := r.Feed(l, rest[:n], h); err != nil {
				b.Fatal(err)
			}
			rest = rest[n:]
		}
	}
}

func BenchmarkReadDeflated(b *testing.B) {
	message := frame(0xc1, squeeze(benchJSON(1000)))
	data := make([]byte, len(message))
	var r Reader
	r.SetDeflate(true)
	l, h := &Limits{}, &nothing{}
	b.ReportAllocs()
	for b.Loop() {
		copy(data, message)
		if _, err := r.Feed(l, data, h); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInflateHostile is the most work that a compressed message of 1 MiB was found to make.
func BenchmarkInflateHostile(b *testing.B) {
	for name, in := range map[string][]byte{
		"final-blocks":   []byte(finalBlock(strings.Repeat("x", window)) + strings.Repeat(finalBlock(""), maxRestarts+2)),
		"empty-blocks":   append(bytes.Repeat([]byte("\x00\x00\x00\xff\xff"), 1<<20/5), 0),
		"dynamic-blocks": []byte(packBits(strings.Repeat(dynamicBlock, 8*(1<<20/len(dynamicBlock)))) + "\x00"),
	} {
		b.Run(name, func(b *testing.B) {
			in = append(in, inflateTail...)
			for b.Loop() {
				if out, err := inflate(in, 1<<20); err == nil {
					putBuffer(out)
				} else if err != errRestarts {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUnmask(b *testing.B) {
	for _, n := range []int{100, 64 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			data := make([]byte, n)
			b.SetBytes(int64(n))
			for b.Loop() {
				unmask(0x12345678, data)
			}
		})
	}
}

// benchJSON is a pushed message of about n bytes.
func benchJSON(n int) []byte {
	var b strings.Builder
	b.WriteString(`{"messageId":"CAUQADAA","payload":"`)
	for i := 0; b.Len() < n-110; i++ {
		fmt.Fprintf(&b, "c2Vuc29y%dIHRlbXA9MjEuNSBodW0", i*7919)
	}
	b.WriteString(`","properties":{"device":"d-17"},"publishTime":"2026-11-23T18:14:33.278Z","redeliveryCount":0,"key":"k1"}`)
	return []byte(b.String())
}

func BenchmarkAppendText(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			message := bytes.Repeat([]byte("x"), n)
			dst := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendText(dst[:0], func(dst []byte) []byte { return append(dst, message...) })
			}
		})
	}
}

func BenchmarkAppendTextDeflated(b *testing.B) {
	for _, n := range []int{256, 1000, 64 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			message := benchJSON(n)
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendTextDeflated(dst[:0], func(dst []byte) []byte { return append(dst, message...) })
			}
			b.ReportMetric(float64(len(dst))/float64(len(message)), "ratio")
		})
	}
}

func BenchmarkBuildFrame(b *testing.B) {
	message := benchJSON(200)
	b.ReportAllocs()
	for b.Loop() {
		BuildFrame(func(dst []byte) []byte { return append(dst, message...) })
	}
}
