package server

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Who accepts waits while a poller is given many connections, and is told when it closes.
func TestEntranceIsBounded(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range pair {
		t.Cleanup(func() { _ = unix.Close(fd) })
	}
	e := &entrance{bell: pair[1]}
	e.taken.L = &e.mu
	for range mostEntering {
		e.enter(&conn{})
	}
	entered := make(chan bool, 1)
	more := &conn{}
	go func() { e.enter(more); entered <- true }()
	select {
	case <-entered:
		t.Fatal("it does not wait")
	default:
	}
	e.mu.Lock()
	if len(e.queue) != mostEntering {
		t.Errorf("%d wait for the poller", len(e.queue))
	}
	e.queue = nil
	e.taken.Broadcast()
	e.mu.Unlock()
	<-entered
	if len(e.queue) != 1 || e.queue[0] != more {
		t.Errorf("%d wait for the poller afterwards", len(e.queue))
	}
}
