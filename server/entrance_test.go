package server

import (
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"
)

// Who accepts waits while a poller is given many connections.
func TestEntranceIsBounded(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range pair {
		t.Cleanup(func() { _ = unix.Close(fd) })
	}
	synctest.Test(t, func(t *testing.T) {
		e := &entrance{bell: pair[1]}
		e.taken.L = &e.mu
		for range mostEntering {
			e.enter(&conn{})
		}
		more := &conn{}
		go e.enter(more)
		synctest.Wait()
		if len(e.queue) != mostEntering {
			t.Errorf("%d wait for the poller", len(e.queue))
		}
		e.mu.Lock()
		e.queue = nil
		e.taken.Broadcast()
		e.mu.Unlock()
		synctest.Wait()
		if len(e.queue) != 1 || e.queue[0] != more {
			t.Errorf("%d wait for the poller afterwards", len(e.queue))
		}
	})
}
