package conformance

import (
	"testing"

	"github.com/pulsegate/pulsegate/test/gateway"
)

// TestEmbedded runs the table on pulsegate with its embedded upstream, which has
// to pass all of it.
func TestEmbedded(t *testing.T) {
	runTable(t, &Target{Kind: Embedded, Start: func(c Conf) (Endpoint, error) {
		url := gateway.Start(t, gateway.Options{Conf: c, Embedded: true}).HTTPURL()
		return Endpoint{HTTP: url, Admin: url}, nil
	}})
}
