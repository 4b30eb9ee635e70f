package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
)

// benchProgram is the load generator. It is a program of its own, as what it
// needs to draw and to drive brokers would make up a third of the server's.
const benchProgram = "pulsegate-bench"

func newBench() *cobra.Command {
	return &cobra.Command{
		Use:                "bench",
		Short:              "Put load on a server of the protocol and measure it (runs " + benchProgram + ")",
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			self, err := os.Executable()
			if err != nil {
				return asRuntime(fmt.Errorf("find this program's file: %w", err))
			}
			program, err := findBench(filepath.Dir(self))
			if err != nil {
				return asRuntime(err)
			}
			// It takes this process's place, and so gets its signals and decides its exit code.
			err = syscall.Exec(program, append([]string{program}, args...), os.Environ())
			return asRuntime(fmt.Errorf("run %s: %w", program, err))
		},
	}
}

// findBench returns where the load generator is: in dir, which is this program's
// own, or else on the PATH.
func findBench(dir string) (string, error) {
	if program, err := exec.LookPath(filepath.Join(dir, benchProgram)); err == nil {
		return program, nil
	}
	if program, err := exec.LookPath(benchProgram); err == nil {
		return program, nil
	}
	return "", fmt.Errorf("the load generator %s is neither in %s nor on the PATH: "+
		"in pulsegate's source, make build makes it as bin/%s", benchProgram, dir, benchProgram)
}
