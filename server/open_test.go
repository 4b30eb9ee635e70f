package server

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
)

func readFull(c *rawConn, b []byte) (int, error) { return io.ReadFull(c.r, b) }

func TestRefusals(t *testing.T) {
	kind := func(k error) error { return &bridge.Error{Kind: k, Detail: "detail"} }
	for _, tc := range []struct {
		err    error
		status int
	}{
		{kind(bridge.ErrInvalid), 400}, {kind(bridge.ErrUnauthorized), 401}, {kind(bridge.ErrForbidden), 403},
		{kind(bridge.ErrNotFound), 404}, {kind(bridge.ErrBusy), 409}, {kind(bridge.ErrFenced), 409},
		{kind(bridge.ErrSchema), 409}, {kind(bridge.ErrTooMany), 429}, {kind(bridge.ErrTerminated), 503},
		{kind(bridge.ErrBacklogQuota), 503}, {kind(bridge.ErrUnavailable), 503}, {kind(bridge.ErrTimeout), 504},
		{kind(bridge.ErrMemoryFull), 503}, {errors.New("detail"), 500},
	} {
		b := newFakeBridge()
		s := start(t, b)
		c := dialRaw(t, s)
		c.send(upgradeHead(producerPath))
		opened(t, b).done(nil, tc.err)
		resp, body := c.response()
		if resp.StatusCode != tc.status || !strings.HasPrefix(body, `{"reason":"`) || !strings.Contains(body, "detail") {
			t.Errorf("%v: status %d, body %s", tc.err, resp.StatusCode, body)
		}
		if ct := resp.Header.Get("Content-Type"); ct != "application/json" {
			t.Errorf("Content-Type %q", ct)
		}
		c.ended()
	}
}

func TestClientGoneWhileOpening(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	c := dialRaw(t, s)
	c.send(upgradeHead(producerPath))
	o := opened(t, b)
	_ = c.Conn.(*net.TCPConn).SetLinger(0) // an end in good order would leave the answer owed
	_ = c.Close()
	receive(t, o.canceled, "the cancellation")
	// An answer that was on its way already must not leak its session.
	fs := newFakeSession(o.out)
	o.done(fs, nil)
	receive(t, fs.closed, "the session's end")
}

func TestInputWhileOpening(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	c := dialRaw(t, s)
	c.send(upgradeHead(producerPath))
	o := opened(t, b)
	const n = 5000
	sent := make(chan error, 1)
	go func() {
		for range n { // more than is buffered: the rest waits in the kernel
			if _, err := c.Write([]byte(clientFrame(1, strings.Repeat("x", 1000)))); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	eventually(t, "input stops", func() bool { return s.bytesIn() > maxPending })
	fs := newFakeSession(o.out)
	fs.handled = make(chan string, n)
	o.done(fs, nil)
	if resp, _ := c.response(); resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", resp.StatusCode)
	}
	for range n {
		receive(t, fs.handled, "a message")
	}
	if err := receive(t, sent, "the sender"); err != nil {
		t.Fatal(err)
	}
}

func TestOutletUsedBeforeTheSessionIsOpen(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	c := dialRaw(t, s)
	c.send(upgradeHead(producerPath))
	o := opened(t, b)
	o.out.Wake()
	o.out.Resume()
	if got, want := o.out.RemoteAddr(), c.LocalAddr().String(); got != want {
		t.Fatalf("remote address %q, want %q", got, want)
	}
	fs := newFakeSession(o.out)
	fs.push("early")
	o.done(fs, nil)
	c.response()
	got := make([]byte, 7)
	if _, err := readFull(c, got); err != nil || string(got) != "\x81\x05early" {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestSpecsReachTheBridge(t *testing.T) {
	b := echoBridge()
	s := start(t, b, func(o *Options) { o.V1LegacyTime = true })
	dial(t, s, "/ws/v2/producer/persistent/public/default/a/b?sendTimeoutMillis=5")
	if o := opened(t, b); o.kind != "producer" || o.producer.Topic != "persistent://public/default/a/b" || o.producer.SendTimeout.Milliseconds() != 5 {
		t.Errorf("got %+v", o)
	}
	dial(t, s, "/ws/consumer/persistent/p/c/n/t/sub?subscriptionType=Shared&receiverQueueSize=7")
	if o := opened(t, b); o.kind != "consumer" || o.consumer.Topic != "persistent://p/c/n/t" || o.consume.Window != 7 ||
		o.consumer.Type != bridge.Shared || !o.consume.Format.LegacyTime {
		t.Errorf("got %+v", o)
	}
	dial(t, s, "/ws/v2/reader/non-persistent/public/default/t?messageId=earliest")
	if o := opened(t, b); o.kind != "reader" || o.reader.Start != bridge.StartEarliest {
		t.Errorf("got %+v", o)
	}

	b = echoBridge()
	s = start(t, b, func(o *Options) { o.V1WithoutCluster = true })
	dial(t, s, "/ws/consumer/persistent/p/c/n/t/sub")
	if o := opened(t, b); o.consumer.Topic != "persistent://p/n/t" {
		t.Errorf("without the cluster: %+v", o)
	}
}
