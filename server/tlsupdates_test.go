package server

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
	"github.com/pulsegate/pulsegate/server/tlsio"
)

// keyUpdates writes TLS 1.3 records (RFC 8446) that bring new keys, which
// crypto/tls does not do for its callers.
type keyUpdates struct {
	asks   byte // 1: they ask for some in return
	hash   func() hash.Hash
	size   int // of a key
	secret []byte
}

// derive is HKDF-Expand-Label, section 7.1, without a context.
func (u *keyUpdates) derive(t *testing.T, label string, n int) []byte {
	t.Helper()
	label = "tls13 " + label
	info := string([]byte{byte(n >> 8), byte(n), byte(len(label))}) + label + "\x00"
	out, err := hkdf.Expand(u.hash, u.secret, info, n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// next is a record with a KeyUpdate, section 4.6.3.
func (u *keyUpdates) next(t *testing.T) []byte {
	t.Helper()
	block, err := aes.NewCipher(u.derive(t, "key", u.size))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := u.derive(t, "iv", aead.NonceSize()) // the first record of a key: number 0
	plain := []byte{24, 0, 0, 1, u.asks, 22}     // key_update, one byte; a handshake message
	record := []byte{23, 3, 3, 0, byte(len(plain) + aead.Overhead())}
	record = aead.Seal(record, nonce, plain, record)
	u.secret = u.derive(t, "traffic upd", u.hash().Size())
	return record
}

// A client that changes its TLS keys without end is closed before that has kept a processor busy, and one that asks for
// new ones in return, and does not read what that brings, before it fills the memory.
func TestKeyUpdatesAreBounded(t *testing.T) {
	for name, asks := range map[string]byte{"asking for none": 0, "asking for some": 1} {
		t.Run(name, func(t *testing.T) { testKeyUpdates(t, asks) })
	}
}

func testKeyUpdates(t *testing.T, asks byte) {
	ca := tlstest.New(t)
	s := start(t, echoBridge(), withTLS(t, serverCert(ca, "ecdsa")), func(o *Options) { o.HandshakeTimeout = time.Hour })
	raw, err := net.Dial("tcp", s.TLSAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	_ = raw.SetDeadline(time.Now().Add(patience))
	var secrets bytes.Buffer
	config := ca.Client()
	config.MinVersion, config.KeyLogWriter = tls.VersionTLS13, &secrets
	config.ServerName = "localhost"
	c := tls.Client(raw, config)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	u := &keyUpdates{asks: asks, hash: sha256.New, size: 16}
	switch c.ConnectionState().CipherSuite {
	case tls.TLS_AES_128_GCM_SHA256:
	case tls.TLS_AES_256_GCM_SHA384:
		u.hash, u.size = sha512.New384, 32
	default:
		t.Skip("a cipher suite that is not known here") // a client without AES instructions
	}
	_, after, _ := strings.Cut(secrets.String(), "CLIENT_TRAFFIC_SECRET_0 ")
	if u.secret, err = hex.DecodeString(strings.Fields(after)[1]); err != nil {
		t.Fatal(err)
	}
	const updates = 20_000
	var all bytes.Buffer
	for range updates {
		all.Write(u.next(t))
	}
	go func() { _, _ = raw.Write(all.Bytes()) }() // fails when the server has closed
	answers, err := io.ReadAll(raw)
	if netErr := net.Error(nil); errors.As(err, &netErr) && netErr.Timeout() {
		t.Fatal("the connection goes on")
	}
	// What one read of the socket brings is answered before the bound is looked at.
	if n := len(answers); asks != 0 && n < 10_000 || n > 3*tlsio.MaxUpdates {
		t.Errorf("%d bytes of answers", n)
	}
	eventually(t, "the connection is forgotten", func() bool { return s.conns.Load() == 0 })
}
