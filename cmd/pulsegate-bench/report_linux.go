package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/pulsegate/pulsegate/bench/report"
)

func newReport() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "report FILE...",
		Short: "Draw results as an HTML page",
		Long: `Draw results that were written with --json, of single runs or of bench compare,
as one HTML page with charts. It needs nothing but a browser. Single runs of the
same scenario are drawn together.`,
		Example: "  pulsegate bench report before.json after.json --out report.html",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			sections, err := report.Read(args)
			if err != nil {
				return err
			}
			var page bytes.Buffer
			if err := report.Write(&page, sections); err != nil {
				return failed(fmt.Errorf("draw the results: %w", err))
			}
			if err := os.WriteFile(out, page.Bytes(), 0o644); err != nil {
				return failed(err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "written:", out)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "report.html", "`file` to write")
	return cmd
}
