package usage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Unreadable says what to do about the file at path that could not be read because of err; what is the flag
// or argument that names it. If a secret may stand in the place of the path, err comes from filename.Fault, which
// matches no case in which the path is repeated.
func Unreadable(what, path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s %s: there is no such file; name one that exists", what, path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s %s: user %d may not read it; let that user read it, or run as another", what, path, os.Getuid())
	case errors.Is(err, syscall.EISDIR):
		return fmt.Errorf("%s %s: it is a directory; name the file in it", what, path)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Unwritable is the same for a file that could not be opened for writing.
func Unwritable(what, path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s %s: there is no directory %s; make it, or name a file elsewhere", what, path, filepath.Dir(path))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s %s: user %d may not write it; name a file elsewhere, or run as another user", what, path, os.Getuid())
	case errors.Is(err, syscall.EISDIR):
		return fmt.Errorf("%s %s: it is a directory; name a file in it", what, path)
	}
	return fmt.Errorf("%s: %w", what, err)
}
