package docs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFoldersAreNamed looks in CONTRIBUTING.md for each folder at the top, and each of the command lines.
func TestFoldersAreNamed(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := section(t, string(text), "Where things are")
	found := 0
	for _, pattern := range []string{"*/*.go", "cmd/*/*.go"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		var folders []string
		for _, file := range files {
			folder, err := filepath.Rel(root, filepath.Dir(file))
			if err != nil {
				t.Fatal(err)
			}
			folders = append(folders, filepath.ToSlash(folder))
		}
		for _, folder := range slices.Compact(folders) {
			if found++; !strings.Contains(named, "`"+folder+"`") {
				t.Errorf("%s is not named", folder)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d folders were found", found)
	}
}
