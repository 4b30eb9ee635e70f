//go:build unix

package port

import (
	"net/netip"
	"syscall"
	"testing"
)

// Deaf is an address at which nobody listens, and nobody will until the test ends: its port is taken, so that no other process, and no connection that
// goes out, is given it.
func Deaf(t testing.TB) netip.AddrPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fd)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	at := [4]byte{127, 0, 0, 1}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: at}); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(at), uint16(bound.(*syscall.SockaddrInet4).Port))
}
