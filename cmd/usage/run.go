package usage

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Run executes one command line and returns the exit code: 0, or what code makes of the error, which is told on stderr.
func Run(root *cobra.Command, args []string, stdout, stderr io.Writer, code func(error) int) int {
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "%s: %v\n", root.Name(), err)
	return code(err)
}
