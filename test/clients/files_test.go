//go:build pulsar

package clients

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulsegate/pulsegate/test/installed"
)

// python returns a Python that has what the examples require.
func python(t *testing.T) string {
	t.Helper()
	program, err := installed.Python(t.Context(), absolute(t, "python", "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// node returns a copy of the examples for Node beside the packages that they require, which is where Node looks for them.
func node(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, filesOnly(absolute(t, "node"))); err != nil {
		t.Fatal(err)
	}
	modules, err := installed.Node(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// filesOnly is a directory without its subdirectories: an example without what someone installed there.
func filesOnly(dir string) fs.FS { return flat{os.DirFS(dir)} }

type flat struct{ fs.FS }

func (f flat) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(f.FS, name)
	var files []fs.DirEntry
	for _, entry := range all {
		if !entry.IsDir() {
			files = append(files, entry)
		}
	}
	return files, err
}
