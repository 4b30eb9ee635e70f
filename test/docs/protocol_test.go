package docs

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/protocol"
)

// source returns the text of Go's files in directories, without their tests.
func source(t *testing.T, dirs ...string) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
	}
	return all.String()
}

func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(page, "# "+heading+"\n")
	if !found {
		t.Fatalf("no section %s", heading)
	}
	text, _, _ := strings.Cut(rest, "\n#")
	return text
}

// TestProtocolIsComplete looks in the protocol's page for all that a client can
// send or get, as the source and the description for machines have it.
func TestProtocolIsComplete(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)

	statuses := map[string]int{}
	for code := 400; code < 600; code++ {
		if name := http.StatusText(code); name != "" {
			statuses[regexp.MustCompile(`[ '-]`).ReplaceAllString(name, "")] = code
		}
	}
	refusals := section(t, page, "Why a session is refused")
	found := 0
	for _, m := range regexp.MustCompile(`http\.Status(\w+)`).FindAllStringSubmatch(source(t, "server"), -1) {
		if code, ok := statuses[m[1]]; ok {
			found++
			if !regexp.MustCompile(`(?m)^\|[ \d,]*\b` + strconv.Itoa(code) + `\b`).MatchString(refusals) {
				t.Errorf("status %d is not explained", code)
			}
		}
	}
	if found < 40 {
		t.Errorf("only %d statuses are found in the source", found)
	}

	codes := []string{}
	for _, m := range regexp.MustCompile(`(?m)^\s+(?:close|Code)\w+ +(?:uint16 )?= (1\d\d\d)`).FindAllStringSubmatch(source(t, "server", "codec/ws"), -1) {
		if m[1] != "1005" { // which stands for no code
			codes = append(codes, m[1])
		}
	}
	named := source(t, "server", "bridge", "codec")
	for code, name := range map[codec.Code]string{codec.CodeDeserialize: "Deserialize", codec.CodeAuthenticate: "Authenticate", codec.CodeAuthorize: "Authorize", codec.CodeUnknown: "Unknown"} {
		if !strings.Contains(named, "Code"+name+",") && !strings.Contains(named, "Code"+name+"}") {
			t.Errorf("nothing closes with %s any more", name)
		}
		codes = append(codes, strconv.Itoa(code.CloseCode()))
	}
	closing := section(t, page, "Close codes")
	for _, code := range slices.Compact(slices.Sorted(slices.Values(codes))) {
		if !strings.Contains(closing, "\n| "+code+" |") {
			t.Errorf("close code %s is not explained", code)
		}
	}
	if len(codes) < 12 {
		t.Errorf("only %d close codes are found in the source", len(codes))
	}
	for code := codec.CodeCreateProducer; code <= codec.CodeUnknown; code++ {
		if row := "\n| " + strconv.Itoa(int(code)) + " | " + code.Text() + " |"; !strings.Contains(section(t, page, "Errors"), row) {
			t.Errorf("error %d, %s, is not explained", code, code.Text())
		}
	}

	var doc struct {
		Channels   map[string]struct{ Address string }
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := yaml.Unmarshal(protocol.AsyncAPI, &doc); err != nil {
		t.Fatal(err)
	}
	for _, channel := range doc.Channels {
		if !strings.Contains(page, "`"+channel.Address+"`") {
			t.Errorf("path %s is not explained", channel.Address)
		}
	}
	for schema, s := range doc.Components.Schemas {
		for name := range s.Properties {
			if !strings.Contains(page, "`"+name+"`") && !strings.Contains(page, `"`+name+`":`) {
				t.Errorf("%s: %s is not explained", schema, name)
			}
		}
	}
}
