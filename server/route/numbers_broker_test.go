//go:build pulsar

package route_test

import (
	"log/slog"
	"testing"

	"github.com/pulsegate/pulsegate/bridge/pulsar"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

func TestMain(m *testing.M) { pulsartest.Main(m) }

func TestNumbersAreBoundedOnABroker(t *testing.T) {
	c := pulsartest.Shared(t)
	up, err := pulsar.New(pulsar.Options{BrokerServiceURL: c.BrokerURL(), ServiceURL: c.AdminURL(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	numbersAreBounded(t, up, c.Namespace(t))
}
