package pulsar

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/login"
	"github.com/pulsegate/pulsegate/pulsar/wire"
	"github.com/pulsegate/pulsegate/test/port"
)

// TestReasons tells why connections cannot be opened.
func TestReasons(t *testing.T) {
	answer := func(with *wire.Error) string {
		b := fakebroker.Start(t)
		b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
			if _, ok := cmd.(*wire.Connect); !ok {
				return fakebroker.Handle
			}
			if with != nil {
				c.Send(with)
			}
			return fakebroker.Ignore
		}
		return b.URL()
	}
	closes := fakebroker.Start(t)
	closes.Script = func(c *fakebroker.Conn, _ wire.Command) fakebroker.Verdict {
		c.Close()
		return fakebroker.Ignore
	}
	stranger := httptest.NewTLSServer(nil)
	t.Cleanup(stranger.Close)
	short := 50 * time.Millisecond
	for want, o := range map[Reason]Options{
		ReasonUnreachable: {ServiceURL: "pulsar://" + port.Deaf(t).String()},
		ReasonTimeout:     {ServiceURL: answer(nil), OperationTimeout: short},
		ReasonTLS: {ServiceURL: strings.Replace(stranger.URL, "https://", "pulsar+ssl://", 1),
			TLS: func() (*tls.Config, error) { return &tls.Config{}, nil }},
		ReasonLogin:  {ServiceURL: closes.URL(), Login: login.Token(func() (string, error) { return "", errors.New("no such file") })},
		ReasonDenied: {ServiceURL: answer(&wire.Error{Error: wire.AuthenticationError, Message: "who are you"})},
		ReasonBroker: {ServiceURL: answer(&wire.Error{Error: wire.TooManyRequests, Message: "busy"})},
		ReasonClosed: {ServiceURL: closes.URL()},
	} {
		c := newClient(t, o)
		c.NewProducer(ProducerOptions{Topic: topic}, producerOwner{newWatcher()})
		eventually(t, "a failure: "+want.String(), func() bool { n := c.ConnCounts(); return n.Failed.Sum() > 0 })
		if n := c.ConnCounts(); n.Failed[want] != n.Failed.Sum() {
			t.Errorf("%s: %v", want, n.Failed)
		}
	}

	for err, want := range map[error]Reason{
		&net.OpError{Op: "dial", Err: &net.DNSError{Name: "broker", IsTimeout: true}}: ReasonName,
		&net.OpError{Op: "dial", Err: context.DeadlineExceeded}:                       ReasonTimeout,
		fmt.Errorf("%w for a minute", errSilent):                                      ReasonTimeout,
		&net.OpError{Op: "remote error", Err: tls.AlertError(42)}:                     ReasonTLS,
		tls.RecordHeaderError{Msg: "not TLS"}:                                         ReasonTLS,
		fmt.Errorf("%w: no such file", errTLS):                                        ReasonTLS,
		errors.New("another"):                                                         ReasonOther,
	} {
		if got := reasonOf(fmt.Errorf("%w: broker: %w", ErrConnection, err)); got != want {
			t.Errorf("%v: %s, not %s", err, got, want)
		}
	}
}
