package gateway

import (
	"log/slog"
	"testing"

	"github.com/pulsegate/pulsegate/config"
)

func TestListenerNameReachesTheClient(t *testing.T) {
	cfg, _, err := config.Load("", nil, []string{"brokerServiceUrl=pulsar://b:6650", "brokerClient_listenerName=inside"})
	if err != nil {
		t.Fatal(err)
	}
	if got := pulsarOptions(cfg, nil, slog.Default()).ListenerName; got != "inside" {
		t.Errorf("listener %q", got)
	}
}
