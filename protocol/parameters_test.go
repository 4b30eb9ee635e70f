package protocol

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/pulsegate/pulsegate/server/route"
)

// schema is what the description says of a query or of one of its parameters.
type schema struct {
	Ref              string `yaml:"$ref"`
	Type             any
	Enum             []any
	Minimum, Maximum *int64
	Default          any
	Properties       map[string]schema
	AllOf            []schema `yaml:"allOf"`
	OneOf            []schema `yaml:"oneOf"`
}

func schemas(t *testing.T) map[string]schema {
	t.Helper()
	var doc struct {
		Components struct{ Schemas map[string]schema }
	}
	if err := yaml.Unmarshal(AsyncAPI, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Components.Schemas
}

// parameters are those of a query, with what they refer to.
func parameters(all map[string]schema, name string) map[string]schema {
	found := map[string]schema{}
	var visit func(s schema)
	visit = func(s schema) {
		if s.Ref != "" {
			s = all[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
		}
		for name, p := range s.Properties {
			if p.Ref != "" {
				p = all[strings.TrimPrefix(p.Ref, "#/components/schemas/")]
			}
			found[name] = p
		}
		for _, part := range append(s.AllOf, s.OneOf...) {
			visit(part)
		}
	}
	visit(all[name])
	return found
}

var queries = map[string]struct{ path, with string }{
	"ProducerQuery":   {"/ws/v2/producer/persistent/public/default/t", "batchingEnabled=true"},
	"ConsumerQuery":   {"/ws/v2/consumer/persistent/public/default/t/s", "maxRedeliverCount=3"},
	"ManyTopicsQuery": {"/ws/v3/consumer/s", "topics=t"},
	"ReaderQuery":     {"/ws/v2/reader/persistent/public/default/t", ""},
}

// TestParameters tries each parameter with values that the description allows, and
// with others next to them.
func TestParameters(t *testing.T) {
	all := schemas(t)
	for name, q := range queries {
		try := func(parameter string, value any, ok bool) {
			t.Helper()
			query := parameter + "=" + url.QueryEscape(fmt.Sprint(value)) + "&" + q.with
			_, err := route.Parse(q.path, query, route.Options{})
			if ok && err != nil {
				t.Errorf("%s: %v is refused: %v", name, query, err)
			} else if !ok && (err == nil || !strings.Contains(err.Error(), parameter)) {
				t.Errorf("%s: %v: %v", name, query, err)
			}
		}
		for parameter, p := range parameters(all, name) {
			if p.Default != nil {
				try(parameter, p.Default, true)
			}
			for _, word := range p.Enum {
				try(parameter, word, true)
			}
			if len(p.Enum) > 0 {
				try(parameter, fmt.Sprint(p.Enum[0])+"x", false)
			}
			if p.Minimum != nil && parameter != "ackTimeoutMillis" { // whose values from 1 to 999 are no good
				try(parameter, *p.Minimum, true)
				try(parameter, *p.Minimum-1, false)
			}
			if p.Maximum != nil {
				try(parameter, *p.Maximum, true)
				try(parameter, *p.Maximum+1, false)
			}
			if p.Type == "integer" {
				try(parameter, "x", false)
			}
		}
	}
}

// asked finds the parameters that the server asks for in its source.
var asked = regexp.MustCompile(`(?:\bp\[|\bp\.\w+\(|\bchoice\(p, )"(\w+)"`)

// TestAllParameters compares the parameters of the description with those that the
// server looks at.
func TestAllParameters(t *testing.T) {
	files, err := filepath.Glob("../server/route/*.go")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"token": true} // which is looked at where clients log in
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range asked.FindAllSubmatch(text, -1) {
			want[string(m[1])] = true
		}
	}
	got := map[string]bool{}
	all := schemas(t)
	for name := range queries {
		for parameter := range parameters(all, name) {
			got[parameter] = true
		}
	}
	if w, g := slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)); !slices.Equal(w, g) {
		t.Errorf("the server looks at\n%q, the description names\n%q", w, g)
	}
}
