package conformance_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/pulsegate/pulsegate/conformance"
)

// envCases names the environment variable that limits the suite to the cases whose
// ID matches a regular expression. -run cannot: cases run before their subtests do.
const envCases = "PULSEGATE_TEST_CASES"

// runTable runs a table on one target and shows a subtest for each case.
func runTable(t *testing.T, target *conformance.Target, areas []conformance.Area) {
	if only := os.Getenv(envCases); only != "" {
		match, err := regexp.Compile(only)
		if err != nil {
			t.Fatalf("%s: %v", envCases, err)
		}
		areas = conformance.Select(areas, match)
	}
	outcomes := conformance.Run(t.Context(), target, areas)
	for _, a := range areas {
		for _, c := range a.Cases {
			t.Run(c.ID, func(t *testing.T) {
				o := outcomes[c.ID]
				if o.Skipped != "" {
					t.Skip(o.Skipped)
				}
				if wrong := conformance.Verdict(target.Kind, c, o); wrong != "" {
					t.Errorf("%s\n%s", c.Text, wrong)
				}
			})
		}
	}
}
