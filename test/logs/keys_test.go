package logs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// keyForm is the one form of a log's keys, which people search and programs parse.
var keyForm = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

// another is what a key is called by another name.
var another = map[string]string{"err": "error", "addr": "address", "sub": "subscription", "ns": "namespace", "id": "session"}

// keysOf finds the keys that a call writes to a log, if it is one that does.
func keysOf(call *ast.CallExpr) (keys []string) {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || call.Ellipsis.IsValid() {
		return nil
	}
	on, _ := f.X.(*ast.Ident)
	args := call.Args
	text := func(e ast.Expr) (string, bool) {
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return "", false
		}
		s, err := strconv.Unquote(lit.Value)
		return s, err == nil
	}
	switch name := f.Sel.Name; {
	case on != nil && on.Name == "slog" && slices.Contains([]string{"String", "Any", "Int", "Int64", "Uint64", "Bool", "Duration", "Time", "Group"}, name):
		args = args[:1]
	case on != nil && (on.Name == "http" || on.Name == "t"):
		return nil
	case slices.Contains([]string{"Debug", "Info", "Warn", "Error"}, name) && len(args) > 0:
		args = args[1:]
	case name == "Log" && len(args) > 3:
		args = args[3:]
	case name == "With":
	default:
		return nil
	}
	for i := 0; i < len(args); i++ {
		if s, ok := text(args[i]); ok {
			keys = append(keys, s)
			i++ // its value
		} else if _, attr := args[i].(*ast.CallExpr); !attr {
			i++
		}
	}
	return keys
}

// TestKeys holds what is logged to one form of keys, and to one name for one thing.
func TestKeys(t *testing.T) {
	const root = "../.."
	forTests := []string{"test", "conformance", "examples", "bench", "bridge/sharingtest", "bridge/upstreamtest", "pulsar/fakebroker", "server/tlsconf/tlstest"}
	files, found := token.NewFileSet(), map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || slices.Contains(forTests, filepath.ToSlash(dir))):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			for _, key := range keysOf(call) {
				found[key] = true
				if right := another[key]; right != "" {
					t.Errorf("%s: the key %q is called %q elsewhere", files.Position(call.Pos()), key, right)
				} else if !keyForm.MatchString(key) {
					t.Errorf("%s: the key %q is not of the form small_words", files.Position(call.Pos()), key)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !found["error"] || !found["topic"] || len(found) < 20 {
		t.Errorf("keys were looked for in the wrong way: %d found", len(found))
	}
}
