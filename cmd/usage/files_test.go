package usage

import (
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

// Whatever is wrong with a file, it is told what to do.
func TestFiles(t *testing.T) {
	for _, c := range []struct {
		fault       error
		read, write string
	}{
		{syscall.ENOENT, "--in a/b: there is no such file; name one that exists", "FILE a/b: there is no directory a; make it, or name a file elsewhere"},
		{syscall.ENOTDIR, "--in a/b: there is no such file; name one that exists", "FILE a/b: there is no directory a; make it, or name a file elsewhere"},
		{fs.ErrPermission, "may not read it; let that user read it", "may not write it; name a file elsewhere"},
		{syscall.EISDIR, "--in a/b: it is a directory; name the file in it", "FILE a/b: it is a directory; name a file in it"},
		{syscall.EIO, "--in: open a/b: input/output error", "FILE: open a/b: input/output error"},
	} {
		err := &os.PathError{Op: "open", Path: "a/b", Err: c.fault}
		if got := Unreadable("--in", "a/b", err); !strings.Contains(got.Error(), c.read) {
			t.Errorf("%v, expected %s", got, c.read)
		}
		if got := Unwritable("FILE", "a/b", err); !strings.Contains(got.Error(), c.write) {
			t.Errorf("%v, expected %s", got, c.write)
		}
	}
}
