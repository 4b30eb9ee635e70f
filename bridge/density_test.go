package bridge

import (
	"context"
	"runtime"
	"strconv"
	"testing"

	"github.com/pulsegate/pulsegate/codec"
)

// quietUpstream has consumers that do nothing and take no memory.
type quietUpstream struct{ *fakeUpstream }

type quietConsumer struct{ Consumer }

func (quietConsumer) Permit(int)                  {}
func (quietConsumer) Congested(func()) bool       { return false }
func (quietConsumer) Connected() bool             { return true }
func (quietConsumer) Redeliver([]codec.MessageID) {}
func (quietConsumer) Close()                      {}

func (u quietUpstream) Subscribe(context.Context, ConsumerSpec, Receiver) (Consumer, error) {
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
		open func(b *Bridge, i int, out Outlet, done Opened)
	}{
		{"a subscription of its own", 760, func(b *Bridge, i int, out Outlet, done Opened) {
			b.Consume(ConsumerSpec{Topic: string([]byte(topic)), Subscription: "s-" + strconv.Itoa(i), Type: Exclusive, Queue: 1000}, minute, out, done)
		}},
		{"a Shared subscription", 380, func(b *Bridge, _ int, out Outlet, done Opened) {
			b.Consume(ConsumerSpec{Topic: string([]byte(topic)), Subscription: "s", Type: Shared, Queue: 1000}, minute, out, done)
		}},
		{"a reader", 400, func(b *Bridge, _ int, out Outlet, done Opened) {
			b.Read(ReaderSpec{Topic: string([]byte(topic)), Queue: 1000}, ReadOptions{Window: 1000}, out, done)
		}},
	} {
		b := New(quietUpstream{&fakeUpstream{}}, Options{SharedConsumers: 1})
		opened := make(chan openedSession, 1)
		all := make([]Session, sessions)
		out := &fakeOutlet{}
		open := func(i int) {
			kind.open(b, i, out, func(s Session, err error) { opened <- openedSession{s, err} })
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
		b.Close()
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
