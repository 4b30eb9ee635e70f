package memory

import (
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// Available is how many bytes this process may use: the least of GOMEMLIMIT, of its
// control group's limit and of the machine's memory. 0: unknown.
func Available() int64 {
	least := int64(math.MaxInt64)
	if limit := debug.SetMemoryLimit(-1); limit > 0 { // a negative one changes nothing
		least = limit
	}
	for _, provider := range []memlimit.Provider{memlimit.FromCgroup, memlimit.FromSystem} {
		if limit, err := provider(); err == nil && limit > 0 && limit < math.MaxInt64 {
			least = min(least, int64(limit))
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}
