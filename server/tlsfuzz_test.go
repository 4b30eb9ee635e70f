package server

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/server/tlsconf"
	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
)

// Whatever comes instead of a handshake, in two pieces: the server stays whole,
// nobody gets in, and the connection is forgotten when its peer is gone.
func FuzzTLSHandshake(f *testing.F) {
	hello := clientHello(f)
	f.Add([]byte(hello), uint16(0))
	f.Add([]byte(hello), uint16(7))
	f.Add([]byte(hello[:len(hello)-1]), uint16(3))
	f.Add([]byte(hello+hello), uint16(len(hello)))
	f.Add([]byte(hello+"\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x20"+strings.Repeat("x", 32)), uint16(40))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint16(4))
	f.Add([]byte("\x16\x03\x01\x00\x04\x01\x00\x00\x00"), uint16(0))
	ca := tlstest.New(f)
	cert := ca.Issue("server", "ecdsa")
	source, err := tlsconf.Load(tlsconf.Options{CertificateFile: cert.CertFile, KeyFile: cert.KeyFile, TrustFile: ca.File, RequireClientCertificate: true})
	if err != nil {
		f.Fatal(err)
	}
	b := newFakeBridge()
	s := start(f, b, func(o *Options) { o.TLS, o.TLSAddress = source, "127.0.0.1:0" })
	f.Fuzz(func(t *testing.T, input []byte, cut uint16) {
		c, err := net.Dial("tcp", s.TLSAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(patience))
		at := min(int(cut), len(input))
		if _, err := c.Write(input[:at]); err == nil {
			_, _ = c.Write(input[at:]) // may have been refused by now
		}
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
		eventually(t, "it is forgotten", func() bool { return s.conns.Load() == 0 })
		if s.metrics.panics.Load() != 0 || len(b.opens) != 0 {
			t.Fatal("a panic, or someone got in")
		}
	})
}
