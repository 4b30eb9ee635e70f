package server

import (
	"net"
	"reflect"
	"unsafe"

	"github.com/lesismal/nbio"
	"golang.org/x/sys/unix"
)

// connAddresses are where an [nbio.Conn] keeps its two addresses: offsets of fields of type net.Addr. nbio takes them from
// the connection that it is given and uses them for nothing. They take 160 bytes, a tenth of what an idle session costs.
type connAddresses struct{ local, remote uintptr }

// findAddresses finds them, which nbio does not show.
func findAddresses() (a connAddresses, err error) {
	t := reflect.TypeFor[nbio.Conn]()
	for name, to := range map[string]*uintptr{"lAddr": &a.local, "rAddr": &a.remote} {
		f, ok := t.FieldByName(name)
		if !ok || len(f.Index) != 1 || f.Type != reflect.TypeFor[net.Addr]() {
			return a, errOtherNbio
		}
		*to = f.Offset
	}
	return a, nil
}

// drop makes nc forget both. No poller has it yet.
func (a connAddresses) drop(nc *nbio.Conn) {
	for _, at := range [...]uintptr{a.local, a.remote} {
		*(*net.Addr)(unsafe.Add(unsafe.Pointer(nc), at)) = nil
	}
}

// localAddr asks the kernel for the address that the client has come to; nil: it does not know any more.
func (c *conn) localAddr() (local net.Addr) {
	c.whileOpen(func() {
		switch a, _ := unix.Getsockname(c.nc.Hash()); a := a.(type) {
		case *unix.SockaddrInet4:
			local = &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
		case *unix.SockaddrInet6:
			local = &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
		}
	})
	return local
}
