package docs

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

const root = "../.."

// template is no document: the page that is made of it is one.
const template = "bench/cmd/benchmarks/page.md"

// link is a link or picture of Markdown, whose text may itself be a picture.
var link = regexp.MustCompile(`\]\(<?([^()\s>]+(?:\([^()\s]*\)[^()\s]*)?)>?(?:\s+"[^"]*")?\)`)

// TestLinks follows each link of each document that leads into the repository,
// to the file and to the heading.
func TestLinks(t *testing.T) {
	headings := map[string][]string{}
	anchors := func(file string) []string {
		if _, ok := headings[file]; !ok {
			headings[file] = slugs(prose(t, file))
		}
		return headings[file]
	}
	links := 0
	for _, file := range documents(t) {
		dir := path.Dir(file)
		for _, m := range link.FindAllStringSubmatch(withoutCode(prose(t, file)), -1) {
			if strings.Contains(m[1], ":") { // another site
				continue
			}
			links++
			name, anchor, hasAnchor := strings.Cut(m[1], "#")
			target := path.Join(dir, name)
			if name == "" {
				target = file
			}
			if path.IsAbs(name) || strings.HasPrefix(target, "..") {
				t.Errorf("%s: %s leads out of the repository", file, m[1])
				continue
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: %s is not there", file, m[1])
				continue
			}
			if hasAnchor && (path.Ext(target) != ".md" || !slices.Contains(anchors(target), anchor)) {
				t.Errorf("%s: %s has no heading #%s", file, target, anchor)
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links are found", links)
	}
}

// documents are the Markdown files of the repository, by their paths in it.
func documents(t *testing.T) (files []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"node_modules", "bin", "dist"}, d.Name())) {
			return fs.SkipDir
		}
		if path.Ext(name) == ".md" {
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			if file := filepath.ToSlash(rel); file != template {
				files = append(files, file)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var fence = regexp.MustCompile("(?ms)^[ \t]*(```|~~~).*?^[ \t]*(```|~~~)[ \t]*$")

// prose is a document without its blocks of code.
func prose(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return fence.ReplaceAllString(string(text), "")
}

var code = regexp.MustCompile("`[^`\n]*`")

// withoutCode takes the code out of lines, but leaves the brackets of a link
// whose text is code.
func withoutCode(text string) string { return code.ReplaceAllString(text, "") }

var heading = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *#*$`)

// slugs are the anchors of a document's headings, made as GitHub makes them.
func slugs(text string) (all []string) {
	seen := map[string]int{}
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		title := regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`).ReplaceAllString(m[1], "$1")
		var b strings.Builder
		for _, r := range strings.ToLower(title) {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				b.WriteRune(r)
			case r == ' ':
				b.WriteByte('-')
			}
		}
		slug := b.String()
		if n := seen[slug]; n > 0 {
			all = append(all, slug+"-"+string(rune('0'+n)))
		} else {
			all = append(all, slug)
		}
		seen[slug]++
	}
	return all
}
