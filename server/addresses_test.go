package server

import (
	"net"
	"net/http"
	"testing"
)

// What nbio does not keep the kernel knows: a handler is told the address that its client has come to.
func TestHandlerKnowsItsAddress(t *testing.T) {
	s := start(t, newFakeBridge())
	told := make(chan any, 1)
	s.handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told <- r.Context().Value(http.LocalAddrContextKey) })
	resp, err := http.Get("http://" + s.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	got, _ := (<-told).(net.Addr)
	if got == nil || got.String() != s.Addr().String() {
		t.Errorf("%v, and it has come to %v", got, s.Addr())
	}
}
