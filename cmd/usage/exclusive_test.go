package usage

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Of flags that exclude each other those that were given are named, and no others.
func TestExclusive(t *testing.T) {
	for line, want := range map[string]string{
		"":                  "",
		"--a x":             "",
		"--a x --c x":       "it: --a and --c exclude each other; give one of them",
		"--c= --b x":        "it: --b and --c exclude each other; give one of them",
		"--a x --b x --c x": "it: --a, --b and --c exclude each other; give one of them",
	} {
		ran := false
		cmd := &cobra.Command{Use: "it", SilenceErrors: true, SilenceUsage: true, RunE: func(*cobra.Command, []string) error {
			ran = true
			return nil
		}}
		for _, name := range []string{"a", "b", "c"} {
			cmd.Flags().String(name, "", "")
		}
		Exclusive(cmd, "a", "b", "c")
		cmd.SetArgs(strings.Fields(line))
		cmd.SetOut(io.Discard)
		got := cmd.Execute()
		if got == nil {
			got = errors.New("")
		}
		if got.Error() != want || ran != (want == "") {
			t.Errorf("%s: %v, expected %q; it ran: %v", line, got, want, ran)
		}
	}
}
