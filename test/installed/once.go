package installed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Once sees to it that there is a directory, which fill makes, once for all processes on the machine. It is made beside its
// place, in part, and put there once it is complete, so that what was cut short is never taken for a whole. With the
// directory in place Once is one system call.
func Once(dir string, fill func(part string) error) error {
	if isDir(dir) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	unlock, err := lockFile(filepath.Join(filepath.Dir(dir), "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if isDir(dir) { // another process made it while this one waited
		return nil
	}
	part := dir + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := fill(part); err != nil {
		return err
	}
	return os.Rename(part, dir)
}

// CacheDir is where what the tests bring from elsewhere is kept: one directory for each, which may be removed while nothing
// uses it.
func CacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a place for what the tests need: %w", err)
	}
	return filepath.Join(cache, "pulsegate"), nil
}

// lockFile takes an exclusive lock that ends with the process at the latest, and blocks until it has it.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
