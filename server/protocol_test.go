package server

import (
	"net/http"
	"testing"

	"github.com/pulsegate/pulsegate/protocol"
)

func TestProtocolIsDescribed(t *testing.T) {
	s := start(t, echoBridge())
	resp, body := get(t, s, "/asyncapi.yaml")
	if resp.StatusCode != 200 || body != string(protocol.AsyncAPI) || len(body) == 0 {
		t.Errorf("status %d, %d bytes", resp.StatusCode, len(body))
	}
	if kind := resp.Header.Get("Content-Type"); kind != "application/vnd.aai.asyncapi+yaml;version=3.0.0" {
		t.Errorf("content type %q", kind)
	}
	if (&Server{o: Options{Broker: http.NotFoundHandler()}}).isBrokers("/asyncapi.yaml") {
		t.Error("the broker is asked for it")
	}
}
