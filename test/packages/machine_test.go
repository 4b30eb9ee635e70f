//go:build packages

package packages

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// machine is this machine's file system under another root, where all that is changed is forgotten in the end.
type machine struct {
	t    *testing.T
	root string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir := t.TempDir()
	mount := func(source, target, kind string, flags uintptr, data string) {
		t.Helper()
		if err := syscall.Mount(source, target, kind, flags, data); err != nil {
			t.Fatalf("mount %s at %s: %v", kind, target, err)
		}
		t.Cleanup(func() {
			if err := syscall.Unmount(target, syscall.MNT_DETACH); err != nil {
				t.Errorf("unmount %s: %v", target, err)
			}
		})
	}
	m := &machine{t: t, root: filepath.Join(dir, "root")}
	mount("tmpfs", dir, "tmpfs", 0, "mode=755")
	for _, name := range []string{"root", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount("overlay", m.root, "overlay", 0, "lowerdir=/,upperdir="+dir+"/upper,workdir="+dir+"/work")
	mount("/dev", m.path("/dev"), "", syscall.MS_BIND|syscall.MS_REC, "")
	mount("/proc", m.path("/proc"), "", syscall.MS_BIND|syscall.MS_REC, "")
	return m
}

// path is where this machine's path is seen from outside.
func (m *machine) path(path string) string { return filepath.Join(m.root, path) }

// try runs a command on the machine.
func (m *machine) try(name string, args ...string) (string, error) {
	m.t.Helper()
	program := name
	if !filepath.IsAbs(name) {
		var err error
		if program, err = exec.LookPath(name); err != nil {
			m.t.Fatalf("%v: make deps installs what these tests need", err)
		}
	}
	cmd := exec.CommandContext(m.t.Context(), program, args...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: m.root}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// run is try for what must not fail.
func (m *machine) run(name string, args ...string) string {
	m.t.Helper()
	out, err := m.try(name, args...)
	if err != nil {
		m.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func (m *machine) has(path string) bool {
	m.t.Helper()
	_, err := os.Lstat(m.path(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.t.Fatal(err)
	}
	return err == nil
}

func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}
