package pulsar

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/login"
)

// asksSomebody is a login that takes its time.
type asksSomebody struct {
	login.Login
	asked func(ctx context.Context)
}

func (a asksSomebody) Data(ctx context.Context) ([]byte, error) {
	a.asked(ctx)
	return []byte("t"), nil
}

// deadlines is a connection that takes no deadline.
type deadlines struct {
	net.Conn
	err error
	set func()
}

func (d deadlines) SetDeadline(time.Time) error { d.set(); return d.err }

// TestLoginTakesNoneOfTheBrokersTime counts the time for the broker's answer from when the login has its data, which it waits for no
// longer than the client lives.
func TestLoginTakesNoneOfTheBrokersTime(t *testing.T) {
	client := &Client{ctx: t.Context()}
	var order []string
	client.o.Login = asksSomebody{login.None(), func(ctx context.Context) {
		if ctx != client.ctx {
			t.Error("the client's end does not end the wait")
		}
		order = append(order, "login")
	}}
	nc := deadlines{err: errors.New("no deadline"), set: func() { order = append(order, "deadline") }}
	c := newConn(client, connKey{to: broker{host: "127.0.0.1:1"}})
	if err := c.shakeHands(nc, nil); !errors.Is(err, nc.err) || len(order) != 2 || order[0] != "login" {
		t.Errorf("%v, %v", order, err)
	}
}
