//go:build !pulsar

package pulsar

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain looks for goroutines that are left after all tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
