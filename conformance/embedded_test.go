package conformance_test

import (
	"testing"

	"github.com/pulsegate/pulsegate/conformance"
	"github.com/pulsegate/pulsegate/conformance/targets"
)

// TestEmbedded runs the table on pulsegate with its embedded upstream, which has
// to pass all of it.
func TestEmbedded(t *testing.T) { runTable(t, targets.Embedded(t), conformance.Table()) }
