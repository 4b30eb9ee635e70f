//go:build pulsar

package clients

import (
	"io/fs"
	"os"
)

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
