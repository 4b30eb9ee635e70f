package hub

import (
	"context"
	"runtime"
	"strconv"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	"github.com/pulsegate/pulsegate/codec"
)

// quietUpstream has consumers that do nothing and take no memory.
type quietUpstream struct{ *bridgetest.Upstream }

type quietConsumer struct{ bridge.Consumer }

func (quietConsumer) Permit(int)                  {}
func (quietConsumer) Congested(func()) bool       { return false }
func (quietConsumer) Connected() bool             { return true }
func (quietConsumer) Redeliver([]codec.MessageID) {}
func (quietConsumer) Close()                      {}

func (u quietUpstream) Subscribe(context.Context, bridge.ConsumerSpec, bridge.Receiver) (bridge.Consumer, error) {
	return quietConsumer{}, nil
}

func (quietUpstream) Partitions(context.Context, string, string) (int, error) { return 0, nil }

// An idle session is what differs from others, and no more. What is counted is all that
// the bridge has for it.
func TestIdleSessionIsSmall(t *testing.T) {
	const sessions = 4000
	for _, kind := range []struct {
		name string
		most int // bytes
		open func(h *Hub, i int, out bridge.Outlet, done bridge.Opened)
	}{
		{"a subscription of its own", 840, func(h *Hub, i int, out bridge.Outlet, done bridge.Opened) {
			h.Consume(bridge.ConsumerSpec{Topic: string([]byte(topic)), Subscription: "s-" + strconv.Itoa(i), Type: bridge.Exclusive, Queue: 1000}, minute, out, done)
		}},
		{"a Shared subscription", 380, func(h *Hub, _ int, out bridge.Outlet, done bridge.Opened) {
			h.Consume(bridge.ConsumerSpec{Topic: string([]byte(topic)), Subscription: "s", Type: bridge.Shared, Queue: 1000}, minute, out, done)
		}},
		{"a reader", 400, func(h *Hub, _ int, out bridge.Outlet, done bridge.Opened) {
			h.Read(bridge.ReaderSpec{Topic: string([]byte(topic)), Queue: 1000}, bridge.ReadOptions{Window: 1000}, out, done)
		}},
	} {
		h := New(quietUpstream{&bridgetest.Upstream{}}, Options{SharedConsumers: 1})
		type openedSession struct {
			s   bridge.Session
			err error
		}
		opened := make(chan openedSession, 1)
		all := make([]bridge.Session, sessions)
		out := &bridgetest.Outlet{}
		open := func(i int) {
			kind.open(h, i, out, func(s bridge.Session, err error) { opened <- openedSession{s, err} })
			got := <-opened
			if got.err != nil {
				t.Fatal(got.err)
			}
			all[i] = got.s
		}
		open(0)
		before := heap()
		for i := 1; i < sessions; i++ {
			open(i)
		}
		if each := (heap() - before) / (sessions - 1); each > kind.most {
			t.Errorf("%s: %d bytes", kind.name, each)
		} else {
			t.Logf("%s: %d bytes", kind.name, each)
		}
		for _, s := range all {
			s.Close()
		}
		h.Close()
	}
}

// heap is how many bytes are in use.
func heap() int {
	var m runtime.MemStats
	for range 2 { // what a pool had is there until the second
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
