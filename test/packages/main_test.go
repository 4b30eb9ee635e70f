//go:build packages

package packages

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// envInside tells the test binary that it is in the mount namespace that it made.
const envInside = "PULSEGATE_TEST_PACKAGES_INSIDE"

// TestMain runs the tests in a mount namespace of their own: whatever they mount is gone with the process, however it ends.
func TestMain(m *testing.M) {
	if os.Getenv(envInside) != "" {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			fmt.Fprintln(os.Stderr, "keep mounts in this namespace:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	if os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "these tests install packages and mount file systems, in a place of their own, which only root may do")
		os.Exit(1)
	}
	// What reaches the process group reaches the child, too; it decides.
	signal.Ignore(os.Interrupt)
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), envInside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		os.Exit(max(failed.ExitCode(), 1))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "make a mount namespace for the tests:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// patience bounds what is waited for.
const patience = 30 * time.Second
