package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/operator"
	"github.com/pulsegate/pulsegate/operator/console"
)

// TestPagesAreNamed looks in the documents for each page that the server has beside the sessions, and each that operators have, as the
// source names them.
func TestPagesAreNamed(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	others := section(t, read("protocol.md"), "Other pages")
	paths := []string{operator.Prefix, console.Path}
	for _, m := range regexp.MustCompile(`(?:path\w* +=|path ==|return) "(/[\w./-]*)"`).FindAllStringSubmatch(source(t, "server"), -1) {
		paths = append(paths, m[1])
	}
	if len(paths) < 9 {
		t.Errorf("only %q are found in the source", paths)
	}
	for _, path := range paths {
		if !regexp.MustCompile("`(GET )?" + regexp.QuoteMeta(path) + "[`…]").MatchString(others) {
			t.Errorf("%s is not named", path)
		}
	}

	operating, found := read("operating.md"), 0
	for _, m := range regexp.MustCompile(`(?:read\(|do\("(\w+)", )"([\w/{}-]+)"`).FindAllStringSubmatch(source(t, "operator"), -1) {
		found++
		page, _, more := strings.Cut(m[2], "{")
		if method := m[1]; method != "" {
			page = method + " " + page
		} else if more {
			page = "GET " + page
		}
		if !strings.Contains(operating, "`"+page) && (m[1] != "" || !strings.Contains(operating, "`GET "+page)) {
			t.Errorf("%s is not named", page)
		}
	}
	if found < 11 {
		t.Errorf("only %d pages of operators are found in the source", found)
	}
}
