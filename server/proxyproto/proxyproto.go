// Package proxyproto reads HAProxy's PROXY header, which tells whom a connection comes
// from. It holds no state.
package proxyproto

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
)

// signature begins a PROXY header of version 2.
const signature = "\r\n\r\n\x00\r\nQUIT\n"

const (
	maxV1 = 107  // bytes of a header of version 1, by its specification
	maxV2 = 4096 // bytes we take of one of version 2
)

// Parse returns the source address of the header at the start of b,
// invalid when it tells none, and the header's length. n is 0 while the header
// is incomplete. ok is false when there is no such header: it never becomes one.
func Parse(b []byte) (from netip.AddrPort, n int, ok bool) {
	if bytes.HasPrefix(b, []byte(signature[:min(len(b), len(signature))])) {
		return parseV2(b)
	}
	end := bytes.Index(b, []byte("\r\n"))
	if end < 0 {
		const name = "PROXY "
		return from, 0, len(b) < maxV1 && bytes.HasPrefix(b, []byte(name[:min(len(b), len(name))]))
	}
	if end > maxV1-2 {
		return from, 0, false
	}
	f := strings.Split(string(b[:end]), " ")
	switch {
	case f[0] != "PROXY" || len(f) < 2:
		return from, 0, false
	case f[1] == "UNKNOWN":
		return from, end + 2, true
	case len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6":
		return from, 0, false
	}
	host := f[2]
	if f[1] == "TCP6" {
		host = "[" + host + "]"
	}
	from, err := netip.ParseAddrPort(host + ":" + f[4])
	return from, end + 2, err == nil
}

func parseV2(b []byte) (from netip.AddrPort, n int, ok bool) {
	if len(b) < 16 {
		return from, 0, true
	}
	n = 16 + int(binary.BigEndian.Uint16(b[14:]))
	if b[12]>>4 != 2 || n > maxV2 {
		return from, 0, false
	}
	if len(b) < n {
		return from, 0, true
	}
	addresses := b[16:n]
	if b[12]&0xf == 0 { // LOCAL: a health check of the proxy's own
		return from, n, true
	}
	switch family := b[13] >> 4; {
	case family == 1 && len(addresses) >= 12:
		from = netip.AddrPortFrom(netip.AddrFrom4([4]byte(addresses[:4])), binary.BigEndian.Uint16(addresses[8:]))
	case family == 2 && len(addresses) >= 36:
		from = netip.AddrPortFrom(netip.AddrFrom16([16]byte(addresses[:16])).Unmap(), binary.BigEndian.Uint16(addresses[32:]))
	}
	return from, n, true
}
