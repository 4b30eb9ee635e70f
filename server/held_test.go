package server

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/memory"
)

// unfinished is the beginning of a client's frame of size bytes, of which sent have come.
func unfinished(size, sent int) string {
	head := []byte{0x81, 0x80 | 127}
	head = binary.BigEndian.AppendUint64(head, uint64(size))
	return string(append(head, 0, 0, 0, 0)) + strings.Repeat("x", sent)
}

// Messages that do not end take what there is; then those that are larger than
// what one connection may have are refused, and all others go on.
func TestUnfinishedMessagesKeepWithinTheBudget(t *testing.T) {
	budget := memory.New(8 << 20)
	s := start(t, echoBridge(), func(o *Options) { o.Memory = budget })
	small := dial(t, s, producerPath)
	const half = 500 << 10
	var raws []*rawConn
	for range 20 {
		c := dialRaw(t, s)
		c.send(upgradeHead(producerPath))
		if res, _ := c.response(); res.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(res.Status)
		}
		raws = append(raws, c)
		c.send(unfinished(1<<20, half))
	}
	eventually(t, "some to be refused", func() bool { return budget.Refusals() > 0 })
	eventually(t, "what is held to be bounded", func() bool { return budget.Held(memory.Unfinished) <= budget.Limit() })
	say(t, small, "hello")
	if got := message(t, small); got != "hello" {
		t.Fatalf("a small session got %q", got)
	}
	if int(budget.Refusals()) == len(raws) {
		t.Error("all were refused")
	}
	// One that comes now finds too little, and is told so.
	late := dialRaw(t, s)
	late.send(upgradeHead(producerPath))
	late.response()
	late.send(unfinished(1<<20, 2*half-1000))
	op, payload := late.frame()
	if op != 8 || binary.BigEndian.Uint16([]byte(payload)) != closeTryAgain || !strings.Contains(payload, "memory") {
		t.Errorf("opcode %d with %q", op, payload)
	}
	for _, c := range append(raws, late) {
		c.Close()
	}
	eventually(t, "all to be given back", func() bool { return budget.Held(memory.Unfinished) == 0 })
}

func TestNoNewSessionsWithoutMemory(t *testing.T) {
	budget := memory.New(1 << 20)
	s := start(t, echoBridge(), func(o *Options) { o.Memory = budget })
	budget.Take(memory.Publishes, 1<<20)
	_, res, err := dialErr(s, producerPath, nil)
	if err == nil || res == nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("%v, %v", res, err)
	}
	budget.Take(memory.Publishes, -1<<20)
	dial(t, s, producerPath)
	if _, body := get(t, s, "/metrics"); !strings.Contains(body, fmt.Sprintf("pulsegate_memory_limit_bytes %v", float64(1<<20))) ||
		!strings.Contains(body, "pulsegate_memory_refusals_total 1") {
		t.Error("the metrics do not say so")
	}
}

// What clients do not read takes what there is, and all is given back.
func TestUnreadOutputKeepsWithinTheBudget(t *testing.T) {
	budget := memory.New(4 << 20)
	b := newFakeBridge()
	frame := strings.Repeat("x", 10<<10)
	b.auto = func(o *fakeOpen) *fakeSession {
		s := newFakeSession(o.out)
		s.push(slices.Repeat([]string{frame}, 1000)...) // more than the kernel and the server hold
		return s
	}
	s := start(t, b, func(o *Options) { o.Memory, o.MaxUnread = budget, 1<<20 })
	var raws []*rawConn
	for range 20 {
		c := dialRaw(t, s)
		c.send(upgradeHead(consumerPath("s")))
		raws = append(raws, c)
	}
	eventually(t, "output to wait", func() bool { return budget.Held(memory.Unread) > budget.Limit()/4 })
	for range 20 {
		if held := budget.Held(memory.Unread); held > budget.Limit() {
			t.Fatalf("%d bytes are held", held)
		}
		get(t, s, "/healthz")
	}
	for _, c := range raws {
		c.Close()
	}
	eventually(t, "all to be given back", func() bool { return budget.Held(memory.Unread) == 0 })
}

// A message that is worked on beside the loops when its connection goes is given back, too.
func TestCostlyMessageOfAClosedConnectionIsGivenBack(t *testing.T) {
	budget := memory.New(64 << 20)
	b := newFakeBridge()
	begun, goOn := make(chan struct{}), make(chan struct{})
	sessions := make(chan *fakeSession, 1)
	b.auto = func(o *fakeOpen) *fakeSession {
		fs := newFakeSession(o.out)
		fs.handle = func([]byte) error { close(begun); <-goOn; return nil }
		sessions <- fs
		return fs
	}
	s := start(t, b, func(o *Options) { o.Memory = budget })
	c := dialRaw(t, s)
	c.send(upgradeHead(producerPath))
	c.response()
	c.send(clientFrame(1, strings.Repeat("x", 500<<10)))
	receive(t, begun, "the work on the message")
	session := <-sessions
	session.out.End(0, "bye")
	c.frame()
	c.Close()
	eventually(t, "the connection to be forgotten", func() bool { return s.conns.Load() == 0 })
	close(goOn)
	receive(t, session.closed, "the end of the session")
	eventually(t, "all to be given back", func() bool { return budget.Held(memory.Unfinished) == 0 })
}
