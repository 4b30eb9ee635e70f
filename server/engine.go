package server

import (
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/lesismal/nbio"
	"golang.org/x/sys/unix"
)

// startEngine starts an engine and returns when all its pollers run: one that is
// told to stop before it came to run forgets it, and Stop waits for it for ever.
// The engine's handlers are set by the caller afterwards.
func startEngine(engine *nbio.Engine) error {
	var probes sync.WaitGroup
	engine.OnOpen(func(*nbio.Conn) { probes.Add(1) })
	engine.OnRead(func(*nbio.Conn) {})
	engine.OnClose(func(*nbio.Conn, error) { probes.Done() })
	if err := engine.Start(); err != nil {
		return err
	}
	err := probePollers(engine)
	probes.Wait() // their peers are closed: that is for the pollers to see
	return err    // with one, the pollers are left to the end of the process, as Stop might not return
}

// probePollers gives each poller of the engine a connection whose peer is then
// closed. A connection's poller is decided by its descriptor, so others are held
// until the next one is right.
func probePollers(engine *nbio.Engine) error {
	var held []int
	defer func() {
		for _, fd := range held {
			_ = unix.Close(fd)
		}
	}()
	reached := map[int]bool{}
	for len(reached) < engine.NPoller {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("socketpair: %w", err)
		}
		held = append(held, pair[1])
		file := os.NewFile(uintptr(pair[0]), "probe")
		probe, err := net.FileConn(file)
		_ = file.Close()
		if err != nil {
			return err
		}
		for {
			fd, err := unix.FcntlInt(uintptr(pair[1]), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				_ = probe.Close()
				return fmt.Errorf("dup: %w", err)
			}
			if !reached[fd%engine.NPoller] {
				_ = unix.Close(fd) // the engine's descriptor will be this one, the lowest that is free
				break
			}
			held = append(held, fd)
		}
		nc, err := engine.AddConn(probe)
		if err != nil {
			return err
		}
		reached[nc.Hash()%engine.NPoller] = true
	}
	return nil
}
