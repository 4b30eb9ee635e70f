package codec

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// heapOf is what the results of n calls of build take in memory, on average.
func heapOf[T any](n int, build func(i int) T) int {
	held := make([]T, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range held {
		held[i] = build(i)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(held)
	return int(int64(after.HeapAlloc)-int64(before.HeapAlloc)) / n
}

// TestMemoryIsCounted has messages and requests of which their senders made much of few bytes: what they take is counted all the same.
func TestMemoryIsCounted(t *testing.T) {
	many := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprintf("%x", i)] = ""
		}
		return m
	}
	for name, build := range map[string]func(i int) *Message{
		"empty":          func(int) *Message { return &Message{} },
		"large":          func(int) *Message { return &Message{Payload: make([]byte, 1<<16), Key: strings.Repeat("k", 1<<12)} },
		"properties":     func(int) *Message { return &Message{Properties: many(1000)} },
		"few properties": func(int) *Message { return &Message{Properties: many(5)} },
		"properties of keys": func(int) *Message {
			return &Message{Encryption: &EncryptionContext{Keys: []EncryptionKey{{Metadata: many(1000)}}}}
		},
		"keys":                     func(int) *Message { return &Message{Encryption: &EncryptionContext{Keys: make([]EncryptionKey, 1000)}} },
		"an initialisation vector": func(int) *Message { return &Message{Encryption: &EncryptionContext{Param: make([]byte, 1<<12)}} },
	} {
		if heap, counted := heapOf(200, build), build(0).Memory(); counted < heap*4/5 || counted > 2*heap+2*messageMemory {
			t.Errorf("a message, %s, takes %d bytes, of which %d are counted", name, heap, counted)
		}
	}
	for name, frame := range map[string]string{
		"empty":      `{"payload":""}`,
		"properties": `{"payload":"","properties":{` + list(1000, `"%x":""`) + `}}`,
		"clusters":   `{"payload":"","replicationClusters":[` + list(1000, `"%x"`) + `]}`,
	} {
		build := func(int) *SendRequest {
			req := &SendRequest{}
			if err := DecodeSend([]byte(frame), req); err != nil {
				t.Fatal(err)
			}
			return req
		}
		if heap, counted := heapOf(200, build), len(frame)+build(0).Overhead(); counted < heap {
			t.Errorf("a request, %s, takes %d bytes, of which %d are counted", name, heap, counted)
		}
	}
}

// list is format with the numbers below n, separated by commas.
func list(n int, format string) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(format, i))
	}
	return strings.Join(all, ",")
}
