package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestCommandsAreDocumented looks in the table of docs/operating.md for each command, and there or in what is said below it for each
// flag. Those of bench are another program's.
func TestCommandsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## All commands\n")
	section, _, _ = strings.Cut(section, "\n## ")
	end := strings.LastIndex(section, "|\n")
	if end < 0 {
		t.Fatal("there is no table")
	}
	table, common := section[:end], section[end:]

	var look func(cmd *cobra.Command)
	look = func(cmd *cobra.Command) {
		if cmd.HasSubCommands() && cmd.Name() != "completion" {
			for _, sub := range cmd.Commands() {
				look(sub)
			}
			return
		}
		row := ""
		for line := range strings.Lines(table) {
			if rest, ok := strings.CutPrefix(line, "| `"+cmd.CommandPath()); ok && (rest[0] == '`' || rest[0] == ' ') {
				row = line
			}
		}
		if row == "" {
			t.Errorf("%s is not named", cmd.CommandPath())
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			for _, name := range []string{"--" + f.Name, "-" + f.Shorthand} {
				said := strings.Contains(row+common, "`"+name+"`") || strings.Contains(row+common, "`"+name+" ")
				if name != "-" && f.Name != "help" && !said {
					t.Errorf("%s: %s is not named", cmd.CommandPath(), name)
				}
			}
		})
	}
	root := newRoot()
	root.InitDefaultCompletionCmd()
	look(root)
	root.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && !strings.Contains(section, "`pulsegate --"+f.Name+"`") {
			t.Errorf("--%s is not named", f.Name)
		}
	})
}
