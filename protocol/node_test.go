//go:build node

package protocol

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pulsegate/pulsegate/test/installed"
)

// tools returns the directory of the programs that make and check what is here,
// with the packages that they need.
var tools = sync.OnceValues(func() (string, error) {
	dir, err := filepath.Abs("tools")
	if err != nil {
		return "", err
	}
	return dir, installed.NPM(context.Background(), dir)
})

// node runs one of the tools, which has to end well, and returns what it printed.
func node(t *testing.T, stdin []byte, program string, args ...string) []byte {
	t.Helper()
	dir, err := tools()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", append([]string{program}, args...)...)
	var out, wrong bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, bytes.NewReader(stdin), &out, &wrong
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", program, err, wrong.Bytes(), out.Bytes())
	}
	return out.Bytes()
}

// TestGenerated makes what is made of the description, and compares.
func TestGenerated(t *testing.T) {
	dir := t.TempDir()
	node(t, nil, "generate.mjs", dir)
	want := read(t, dir)
	for name, text := range read(t, ".") {
		if !bytes.Equal(text, want[name]) {
			t.Errorf("%s is not what asyncapi.yaml says: make protocol", name)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("%s is missing: make protocol", name)
	}
}

// read returns the made files of a directory by their names.
func read(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "schemas", "*"))
	if err != nil {
		t.Fatal(err)
	}
	made := map[string][]byte{}
	for _, file := range append(files, filepath.Join(dir, "pulsegate.d.ts")) {
		name, err := filepath.Rel(dir, file)
		if err != nil {
			t.Fatal(err)
		}
		if made[name], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return made
}

// TestTypes compiles a client's code with the types.
func TestTypes(t *testing.T) {
	node(t, nil, "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler", "--skipLibCheck", "use.ts")
}
