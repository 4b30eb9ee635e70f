package conformance_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/conformance"
)

func TestTableIsWellFormed(t *testing.T) {
	form := regexp.MustCompile(`^[a-z0-9-]+/[A-Za-z0-9-]+$`)
	seen := make(map[string]bool)
	for _, a := range append(conformance.Table(), conformance.SecurityTable()...) {
		for _, c := range a.Cases {
			switch {
			case !form.MatchString(c.ID):
				t.Errorf("%s: not of the form area/what", c.ID)
			case seen[c.ID]:
				t.Errorf("%s: twice in the table", c.ID)
			case c.Text == "" || c.Run == nil:
				t.Errorf("%s: without text or function", c.ID)
			case strings.Contains(c.Text, "\n"):
				t.Errorf("%s: its text has several lines", c.ID)
			}
			seen[c.ID] = true
		}
	}
	if len(seen) < 150 {
		t.Errorf("%d cases, want at least 150", len(seen))
	}
}

// TestVerdict proves that a wrong mark is found in either direction.
func TestVerdict(t *testing.T) {
	pass, fail := conformance.Outcome{Passed: true}, conformance.Outcome{Failure: "f"}
	plain, marked := conformance.Case{ID: "x"}, conformance.Case{ID: "x", Better: "why"}
	for _, v := range []struct {
		name string
		kind conformance.Kind
		c    conformance.Case
		o    conformance.Outcome
		good bool
	}{
		{"Java passes a plain case", conformance.Java, plain, pass, true},
		{"Java fails a plain case", conformance.Java, plain, fail, false},
		{"Java passes a marked case", conformance.Java, marked, pass, false},
		{"Java fails a marked case", conformance.Java, marked, fail, true},
		{"a marked case that Java never ran", conformance.Java, marked, conformance.Outcome{}, false},
		{"pulsegate passes a marked case", conformance.Broker, marked, pass, true},
		{"pulsegate fails a marked case", conformance.Broker, marked, fail, false},
		{"pulsegate fails a plain case", conformance.Embedded, plain, fail, false},
		{"a case that does not apply", conformance.Embedded, plain, conformance.Outcome{Skipped: "why"}, true},
	} {
		if got := conformance.Verdict(v.kind, v.c, v.o); (got == "") != v.good {
			t.Errorf("%s: verdict %q", v.name, got)
		}
	}
}
