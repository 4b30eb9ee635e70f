package docs

import (
	"encoding/json"
	"net/http"
	"net/url"
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
	"github.com/pulsegate/pulsegate/server/route"
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

// rows returns the first cell and the example of each row of a section's first table, as they are there.
func rows(t *testing.T, page, heading string) (list [][2]string) {
	t.Helper()
	for line := range strings.Lines(section(t, page, heading)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if !strings.HasPrefix(line, "| ") {
			if len(list) > 0 && !strings.HasPrefix(line, "|") {
				break
			}
			continue
		}
		list = append(list, [2]string{strings.TrimSpace(cells[0]), strings.Trim(cells[len(cells)-1], " |`")})
	}
	if len(list) == 0 || list[0][1] != "example" {
		t.Fatalf("the table of %s has no examples", heading)
	}
	return list[1:]
}

// The sections with parameters, and a path that takes them.
var takesParameters = map[string]string{
	"Producer":                  "/ws/v2/producer/persistent/public/default/t",
	"Consumer":                  "/ws/v2/consumer/persistent/public/default/t/s",
	"Consumer over many topics": "/ws/v3/consumer/s",
	"Reader":                    "/ws/v2/reader/persistent/public/default/t",
}

// filledIn is what the server puts into its texts.
var filledIn = regexp.MustCompile(`persistent://[\w/]+|at byte \d+`)

// examples tries the examples in the tables of the protocol's page: paths and parameters are taken, and what the server is said to
// send is in the source.
func examples(t *testing.T, page string) {
	t.Helper()
	for _, row := range rows(t, page, "Paths") {
		form := strings.Trim(row[0], "`")
		path, query, _ := strings.Cut(row[1], "?")
		if _, err := route.Parse(path, query, route.Options{}); err != nil || !strings.HasPrefix(path, form[:strings.Index(form, "{")]) {
			t.Errorf("%s: the example %s: %v", form, path, err)
		}
	}
	for heading, path := range takesParameters {
		for _, row := range rows(t, page, heading) {
			name, value, _ := strings.Cut(row[1], "=")
			query := url.Values{name: {value}}
			if name == "deadLetterTopic" {
				query.Set("maxRedeliverCount", "1")
			}
			if _, err := route.Parse(path, query.Encode(), route.Options{}); err != nil || value == "" || !strings.Contains(row[0], "`"+name+"`") {
				t.Errorf("%s: %s: the example %s: %v", heading, row[0], row[1], err)
			}
		}
	}

	said := source(t, "server", "codec", "codec/ws", "bridge", "bridge/read", "auth")
	isSaid := func(where, text string) {
		t.Helper()
		for _, part := range strings.Split(filledIn.ReplaceAllString(text, ": "), ": ") {
			if part = strings.Trim(part, " …"); !strings.Contains(said, part) {
				t.Errorf("%s: nothing says %q", where, part)
			}
		}
	}
	for _, row := range rows(t, page, "Errors") {
		if row[0] == "4" { // which no client gets
			continue
		}
		var answer struct{ Result, ErrorMsg, Reason string }
		if err := json.Unmarshal([]byte(row[1]), &answer); err != nil {
			t.Errorf("error %s: the example %s: %v", row[0], row[1], err)
			continue
		}
		number, err := strconv.Atoi(row[0])
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := strings.CutPrefix(answer.ErrorMsg, codec.Code(number).Text()+": "); ok && answer.Result == "send-error:"+row[0] {
			isSaid("error "+row[0], text)
		} else if answer.Reason == "" {
			t.Errorf("error %s: the example %s", row[0], row[1])
		} else {
			isSaid("error "+row[0], answer.Reason)
		}
	}
	for _, row := range rows(t, page, "Close codes") {
		text := row[1]
		if row[0] == "1000" { // which is an echo without a reason
			continue
		}
		if code, err := strconv.Atoi(row[0]); err == nil && code > 4000 {
			text = strings.TrimPrefix(text, codec.Code(code-4000).Text()+": ")
		}
		if text == "" || len(row[1]) > 123 || text == row[1] && strings.HasPrefix(row[0], "4") {
			t.Errorf("close code %s: the example %q", row[0], row[1])
		}
		isSaid("close code "+row[0], text)
	}
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

	examples(t, page)

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
