package pulsar

import (
	"testing"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// What brokers before 2.11 say of a namespace that there is not ends an attempt, and other trouble with metadata does not.
func TestMissingNamespaceIsARefusal(t *testing.T) {
	for text, want := range map[string]bool{
		"Namespace not found": true, "Policies not found for a/b namespace": true, encryptionRequired + " in a/b": true,
		"metadata store session lost": false, "": false,
	} {
		if got := isRefusal(brokerError(wire.MetadataError, text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
