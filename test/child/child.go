// Package child starts processes that never outlive the one that started them: not when a test fails, not when it times
// out, not when it is killed with SIGKILL.
package child

import "os/exec"

// Start starts cmd in a process group of its own, so that a Ctrl-C at the terminal reaches only the parent, which then
// decides how its children end. When the parent dies, however it does, cmd is killed. What else cmd.SysProcAttr asks for stays.
//
// The caller must call wait, once, in place of cmd.Wait.
func Start(cmd *exec.Cmd) (wait func() error, err error) {
	return start(cmd)
}
