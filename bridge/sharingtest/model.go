package sharingtest

import (
	"context"
	"sync"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// readAll reads the first n messages of the round's topic with an upstream
// reader of its own: what the topic holds.
func (r *round) readAll(n int) []*codec.Message {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m := &modelReader{want: n, done: make(chan struct{})}
	reader, err := r.up.OpenReader(ctx, bridge.ReaderSpec{Topic: r.topic, Start: bridge.StartEarliest, Queue: 100}, m)
	if err != nil {
		r.Fatalf("read the topic: %v", err)
	}
	defer reader.Close()
	if n > 0 {
		reader.Permit(n)
		select {
		case <-m.done:
		case <-ctx.Done():
			r.Errorf("the topic does not hold %d messages", n)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.got
}

// modelReader collects messages.
type modelReader struct {
	want int
	done chan struct{} // closed when all have come

	mu  sync.Mutex
	got []*codec.Message
}

// Deliver implements [bridge.Receiver].
func (m *modelReader) Deliver(message *codec.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.got = append(m.got, message); len(m.got) == m.want {
		close(m.done)
	}
}

// Lost implements [bridge.Receiver].
func (m *modelReader) Lost(error) {}

// readTo reads the messages in front of the one at end, one by one.
func (r *round) readTo(end codec.MessageID) []*codec.Message {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m := &endReader{end: end, done: make(chan struct{})}
	reader, err := r.up.OpenReader(ctx, bridge.ReaderSpec{Topic: r.topic, Start: bridge.StartEarliest, Queue: 100}, m)
	if err != nil {
		r.Fatalf("read the topic: %v", err)
	}
	defer reader.Close()
	reader.Permit(1 << 20)
	select {
	case <-m.done:
	case <-ctx.Done():
		r.Fatal("the topic's last message does not come")
	}
	return m.got
}

// endReader collects messages until the one at end. got may be read once done is closed.
type endReader struct {
	end  codec.MessageID
	done chan struct{}
	got  []*codec.Message
	over bool
}

// Deliver implements [bridge.Receiver].
func (m *endReader) Deliver(message *codec.Message) {
	switch {
	case m.over:
	case same(message.ID, m.end):
		m.over = true
		close(m.done)
	default:
		m.got = append(m.got, message)
	}
}

// Lost implements [bridge.Receiver].
func (m *endReader) Lost(error) {}

// same reports that two ids name the same message: they are compared as positions.
func same(a, b codec.MessageID) bool {
	return a.LedgerID == b.LedgerID && a.EntryID == b.EntryID && a.BatchIndex == b.BatchIndex
}
