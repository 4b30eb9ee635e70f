package usage

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Exclusive lets at most one of these flags of cmd be given.
func Exclusive(cmd *cobra.Command, names ...string) {
	cmd.MarkFlagsMutuallyExclusive(names...) // for the completion in shells
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error { // comes before cobra's own check
		var given []string
		for _, name := range names {
			if cmd.Flags().Changed(name) {
				given = append(given, "--"+name)
			}
		}
		if last := len(given) - 1; last > 0 {
			return fmt.Errorf("%s: %s and %s exclude each other; give one of them", cmd.CommandPath(), strings.Join(given[:last], ", "), given[last])
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
}
