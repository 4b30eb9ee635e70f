//go:build linux

package bench

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// dialTLS connects with TLS on goroutines of its own: TLS of the standard library
// needs a connection that blocks. The loop gets one end of a pair of local
// sockets, the goroutines copy between the other end and the TLS connection. So a
// session with TLS costs two goroutines and three descriptors here.
func (s *session) dialTLS() error {
	r, try := s.w.run, s.tries
	r.goroutines.Go(func() {
		remote, err := r.connectTLS(s)
		fd := -1
		if err == nil {
			fd, err = r.bridge(remote)
		}
		posted := s.w.loop.Post(func() {
			switch {
			case s.state != opening || s.tries != try:
				if fd >= 0 {
					_ = unix.Close(fd)
				}
			case err != nil:
				s.failed(err)
			default:
				if err := s.w.loop.Attach(&s.conn, fd, s); err != nil {
					s.failed(err)
					return
				}
				s.Connected()
			}
		})
		if !posted && fd >= 0 {
			_ = unix.Close(fd)
		}
	})
	return nil
}

func (r *run) connectTLS(s *session) (net.Conn, error) {
	t := &r.plan.Target
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: r.plan.OpenTimeout}, Config: t.tls}
	if source := r.source(s); source.IsValid() {
		d.NetDialer.LocalAddr = &net.TCPAddr{IP: source.AsSlice()}
	}
	c, err := d.DialContext(r.ctx, "tcp", t.addr.String())
	if err != nil {
		return nil, fmt.Errorf("connect with TLS: %w", err)
	}
	return c, nil
}

// bridge copies between remote and one end of a pair, and returns the other.
func (r *run) bridge(remote net.Conn) (fd int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		remote.Close()
		return -1, os.NewSyscallError("socketpair", err)
	}
	file := os.NewFile(uintptr(pair[1]), "bridge")
	local, err := net.FileConn(file)
	file.Close()
	if err != nil {
		remote.Close()
		_ = unix.Close(pair[0])
		return -1, err
	}
	over := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // however it ended, both connections end
		_ = to.Close()
		_ = from.Close()
	}
	r.goroutines.Go(func() { over(remote, local) })
	r.goroutines.Go(func() { over(local, remote) })
	return pair[0], nil
}
