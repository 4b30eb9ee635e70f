package conformance

import (
	"context"
	"os"
	"regexp"
	"testing"
)

// runTable runs the whole table on one target, a subtest for each case.
func runTable(t *testing.T, target *Target) {
	areas := Table()
	if only := os.Getenv("CONF_RUN"); only != "" {
		areas = Select(areas, regexp.MustCompile(only))
	}
	outcomes := Run(context.Background(), target, areas)
	for _, a := range areas {
		for _, c := range a.Cases {
			t.Run(c.ID, func(t *testing.T) {
				o := outcomes[c.ID]
				if o.Skipped != "" {
					t.Skip(o.Skipped)
				}
				if wrong := Verdict(target.Kind, c, o); wrong != "" {
					t.Error(c.Text + "\n" + wrong)
				}
			})
		}
	}
}
