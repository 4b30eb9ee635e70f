//go:build unix && !linux

package child

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// Without Linux's Pdeathsig a small shell stands watch: it reads from a pipe whose other end only the parent holds, so
// the read ends when the parent does. Then it kills the child's whole group.
const watch = `read _; kill -9 -- "-$1" 2>/dev/null`

func start(cmd *exec.Cmd) (func() error, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	guard, err := startGuard(cmd.Process.Pid)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("start the watch over %s: %w", cmd.Path, err)
	}
	return func() error {
		err := cmd.Wait()
		guard() // before its process number can belong to another
		return err
	}, nil
}

// startGuard starts the watch over a process group and returns what ends it.
func startGuard(group int) (end func(), err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	guard := exec.Command("/bin/sh", "-c", watch, "watch", strconv.Itoa(group))
	guard.Stdin = r
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := guard.Start(); err != nil {
		w.Close()
		return nil, err
	}
	return func() {
		_ = guard.Process.Kill()
		_ = guard.Wait()
		w.Close()
	}, nil
}
