package conformance

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// clientKey is the Sec-WebSocket-Key of every handshake (RFC 6455 section 1.3).
const clientKey = "dGhlIHNhbXBsZSBub25jZQ=="

// acceptKey is the Sec-WebSocket-Accept that answers clientKey.
func acceptKey() string {
	sum := sha1.Sum([]byte(clientKey + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Handshake is an opening request, with every part open to change.
type Handshake struct {
	Method  string   // "GET" if empty
	Target  string   // path and query
	Proto   string   // "HTTP/1.1" if empty
	Without []string // default headers to leave away
	Headers []string // "Name: value" lines to add, after the default ones
	Behind  []byte   // bytes sent in the same write, right behind the request
}

func (h Handshake) bytes(host string) []byte {
	method, proto := h.Method, h.Proto
	if method == "" {
		method = "GET"
	}
	if proto == "" {
		proto = "HTTP/1.1"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s\r\n", method, h.Target, proto)
lines:
	for _, line := range []string{
		"Host: " + host, "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + clientKey,
	} {
		for _, w := range h.Without {
			if strings.HasPrefix(line, w+":") {
				continue lines
			}
		}
		b.WriteString(line + "\r\n")
	}
	for _, line := range h.Headers {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(h.Behind)
	return b.Bytes()
}

// Conn is a raw client connection: it sends whatever it is told to and reads
// frames without judging their order. It is used by one goroutine.
type Conn struct {
	nc       net.Conn
	r        *bufio.Reader
	inflater *inflater // set when permessage-deflate was agreed on
}

// dial connects and performs the handshake. The response is returned for any
// status; its body has been read into memory.
func dial(host string, h Handshake, deadline time.Time) (*Conn, *http.Response, []byte, error) {
	nc, err := net.DialTimeout("tcp", host, time.Until(deadline))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("connecting: %w", err)
	}
	c := &Conn{nc: nc, r: bufio.NewReaderSize(nc, 64<<10)}
	if err := nc.SetDeadline(deadline); err != nil {
		return nil, nil, nil, fmt.Errorf("setting the deadline: %w", err)
	}
	if _, err := nc.Write(h.bytes(host)); err != nil {
		c.Kill()
		return nil, nil, nil, fmt.Errorf("sending the handshake: %w", err)
	}
	resp, err := http.ReadResponse(c.r, &http.Request{Method: "GET"})
	if err != nil {
		c.Kill()
		return nil, nil, nil, fmt.Errorf("reading the handshake's answer: %w", err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		if strings.HasPrefix(resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
			c.inflater = &inflater{noContext: strings.Contains(resp.Header.Get("Sec-WebSocket-Extensions"), "server_no_context_takeover")}
		}
		return c, resp, nil, nil
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil && len(body) == 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
		c.Kill()
		return nil, nil, nil, fmt.Errorf("reading the body of status %d: %w", resp.StatusCode, err)
	}
	return c, resp, body, nil
}

// Kill ends the TCP connection with a reset, as a crashed client does.
func (c *Conn) Kill() {
	if tcp, ok := c.nc.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.nc.Close()
}

// Write sends bytes as they are.
func (c *Conn) Write(b []byte) error {
	_, err := c.nc.Write(b)
	return err
}

// ReadFrame returns the next frame as it came.
func (c *Conn) ReadFrame() (Frame, error) { return readFrame(c.r) }

// closeBody is the payload of a close frame (RFC 6455 section 5.5.1).
func closeBody(code int, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}

// inflater decompresses the messages of one connection (RFC 7692 section 7.2.2).
type inflater struct {
	noContext bool
	window    []byte // the last 32 KiB of plain text, when context is kept
}

func (i *inflater) inflate(b []byte) ([]byte, error) {
	// The tail that the sender cut off, and a final empty block to end on.
	tail := "\x00\x00\xff\xff\x01\x00\x00\xff\xff"
	r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(b), strings.NewReader(tail)), i.window)
	out, err := io.ReadAll(io.LimitReader(r, maxFrame))
	if err != nil {
		return nil, fmt.Errorf("inflating: %w", err)
	}
	if !i.noContext {
		i.window = append(i.window, out...)
		if over := len(i.window) - 32<<10; over > 0 {
			i.window = i.window[over:]
		}
	}
	return out, nil
}

// deflate compresses one message for itself, leaving away the tail
// (RFC 7692 section 7.2.1).
func deflate(b []byte) []byte {
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	if _, err := w.Write(b); err != nil {
		panic(err)
	}
	if err := w.Flush(); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\x00\x00\xff\xff"))
}
