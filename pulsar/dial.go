package pulsar

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// clientVersion is what brokers show in a topic's statistics.
const clientVersion = "pulsegate"

// open dials the broker and shakes hands with it.
func (c *conn) open() (net.Conn, *frames, error) {
	nc, err := c.dial()
	if err != nil {
		return nil, nil, err
	}
	c.mu.Lock()
	c.nc = nc // fail closes it from now on
	dead := c.state == connDead
	c.mu.Unlock()
	if dead {
		_ = nc.Close() // there is nothing to do about an error
		return nil, nil, ErrClosed
	}
	r := &frames{from: nc, limit: wire.DefaultMaxMessageSize + wire.FramePadding}
	if err := c.shakeHands(nc, r); err != nil {
		return nil, nil, err
	}
	return nc, r, nil
}

func (c *conn) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(c.client.ctx, c.client.o.ConnectionTimeout)
	defer cancel()
	if c.to.tls {
		return c.client.dialTLS(ctx, c.to.host)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", c.to.host)
}

// dialTLS opens an encrypted connection to host:port.
func (c *Client) dialTLS(ctx context.Context, addr string) (net.Conn, error) {
	config, err := c.o.TLS()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTLS, err)
	}
	config = config.Clone()
	if config.ServerName == "" {
		if config.ServerName, _, err = net.SplitHostPort(addr); err != nil {
			return nil, err
		}
	}
	cert, err := c.o.Login.Certificate()
	if err != nil {
		return nil, fmt.Errorf("certificate of the %w: %w", errLogin, err)
	}
	if cert != nil {
		config.Certificates = []tls.Certificate{*cert}
	}
	return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", addr)
}

// shakeHands sends CONNECT and waits for CONNECTED.
func (c *conn) shakeHands(nc net.Conn, r *frames) error {
	o := &c.client.o
	data, err := o.Login.Data(c.client.ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errLogin, err)
	}
	// The broker's time begins here: the login may have asked somebody else.
	if err := nc.SetDeadline(time.Now().Add(o.OperationTimeout)); err != nil {
		return err
	}
	hello := &wire.Connect{
		ClientVersion: clientVersion, ProtocolVersion: wire.Version, AuthMethodName: o.Login.Method(), AuthData: data, ProxyToBrokerURL: c.to.proxyTo,
		FeatureFlags: wire.FeatureFlags{SupportsAuthRefresh: true, SupportsBrokerEntryMetadata: true, SupportsPartialProducer: true},
	}
	if c.principal != "" {
		c.client.principals.introduce(c, hello)
	}
	if _, err := nc.Write(wire.Append(nil, hello)); err != nil {
		return err
	}
	for {
		f, ok, err := r.next()
		if err == nil && !ok {
			if err = r.fill(); err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		cmd := wire.New(f.Type)
		if cmd == nil {
			return fmt.Errorf("the broker answered CONNECT with %s", f.Type)
		}
		if err := wire.Parse(f.Body, cmd); err != nil {
			return err
		}
		switch cmd := cmd.(type) {
		case *wire.Connected:
			c.version = cmd.ProtocolVersion
			c.maxMessage = wire.DefaultMaxMessageSize
			if cmd.MaxMessageSize > 0 {
				c.maxMessage = int(cmd.MaxMessageSize)
			}
			c.watchers = cmd.FeatureFlags.SupportsTopicWatchers
			r.limit = c.maxMessage + wire.FramePadding
			if c.slot == listings {
				r.limit = max(r.limit, maxListing)
			}
			return nc.SetDeadline(time.Time{})
		case *wire.AuthChallenge:
			answer, err := c.authResponse()
			if err != nil {
				return err
			}
			if err := nc.SetDeadline(time.Now().Add(o.OperationTimeout)); err != nil {
				return err
			}
			if _, err := nc.Write(wire.Append(nil, answer)); err != nil {
				return err
			}
		case *wire.Error:
			if c.principal != "" {
				return c.client.principals.refused(c, cmd)
			}
			return brokerError(cmd.Error, cmd.Message)
		default:
			return fmt.Errorf("the broker answered CONNECT with %s", f.Type)
		}
	}
}

// authResponse is the login once more.
func (c *conn) authResponse() (wire.Command, error) {
	login := c.client.o.Login
	data, err := login.Data(c.client.ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLogin, err)
	}
	if data == nil {
		data = []byte{} // brokers want it to be set
	}
	return &wire.AuthResponse{
		ClientVersion: clientVersion, ProtocolVersion: wire.Version,
		Response: wire.AuthData{AuthMethodName: login.Method(), AuthData: data},
	}, nil
}

const (
	// readBuffer is how much a connection reads at once. It has more once a frame was longer, and gives back
	// what is more than keepBuffer.
	readBuffer = 64 << 10
	keepBuffer = 512 << 10
	// readAhead is up to how long a frame is believed to be before it has come.
	readAhead = 16 << 20
)

// frames cuts a stream into frames. It is the reader's alone.
type frames struct {
	from       io.Reader
	limit      int // bytes of a frame at most
	buf        []byte
	start, end int // what was read and not yet handed out
	need       int // bytes of the frame that begins at start, 0: not known
}

// next returns the next frame that was read whole. It is valid until fill.
func (r *frames) next() (f wire.Frame, ok bool, err error) {
	f, n, err := wire.Next(r.buf[r.start:r.end], r.limit)
	if err != nil {
		return f, false, err
	}
	if n > r.end-r.start {
		r.need = n
		return f, false, nil
	}
	r.start += n
	r.need = 0
	return f, true, nil
}

// fill reads once.
func (r *frames) fill() error {
	size := max(readBuffer, min(r.need, max(readAhead, 2*(r.end-r.start))))
	if len(r.buf) < size || len(r.buf) > max(size, keepBuffer) && r.start == r.end {
		if size > readBuffer {
			size = max(size, min(4*size, keepBuffer)) // others will be as long
		}
		b := make([]byte, size)
		r.end = copy(b, r.buf[r.start:r.end])
		r.buf, r.start = b, 0
	} else if r.start > 0 && (r.start == r.end || len(r.buf)-r.start < size) {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	n, err := r.from.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}
