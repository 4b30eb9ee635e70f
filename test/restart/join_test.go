//go:build pulsar

package restart

import (
	"context"
	"net/http"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/test/gateway"
)

// TestJoinWithoutBroker opens sessions on a Shared subscription that has one whose broker is gone. They are told so,
// whether they would have a consumer of their own or share that session's.
func TestJoinWithoutBroker(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	c := startBroker(ctx, t)
	path := "/ws/v2/consumer/persistent/" + c.Namespace(t) + "/topic/sub?subscriptionType=Shared"
	var urls []string
	open := func(url string) (status int) {
		conn, resp, err := websocket.DefaultDialer.DialContext(ctx, url, nil)
		if resp == nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if conn != nil {
			t.Cleanup(func() { conn.Close() })
		}
		return resp.StatusCode
	}
	for _, each := range []string{"1", "64"} {
		url := gateway.Target(t, c, map[string]string{"consumersPerSharedSubscription": each}).URL() + path
		urls = append(urls, url)
		if status := open(url); status != http.StatusSwitchingProtocols {
			t.Fatalf("status %d", status)
		}
	}
	if err := c.KillBroker(); err != nil {
		t.Fatal(err)
	}
	for _, url := range urls {
		if status := open(url); status != http.StatusServiceUnavailable {
			t.Errorf("%s: status %d without a broker", url, status)
		}
	}
	if err := c.StartBroker(ctx); err != nil {
		t.Fatal(err)
	}
	for _, url := range urls {
		status := open(url)
		for ; status != http.StatusSwitchingProtocols && ctx.Err() == nil; status = open(url) {
			t.Logf("status %d with a broker again", status) // it may have no bookie yet
		}
	}
}
