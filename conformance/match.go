package conformance

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"sort"
	"strings"
)

// match compares a JSON text with a pattern, itself JSON. Objects must have
// exactly the pattern's fields. In the pattern the string "*" stands for any
// string that is not empty, "~expr" for a string that matches the regular
// expression, "?" for any value, and "?" in front of a field's name for a field
// that may be absent.
func match(text, pattern string) error {
	var got, want any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		return fmt.Errorf("not JSON (%v): %s", err, text)
	}
	if err := json.Unmarshal([]byte(pattern), &want); err != nil {
		panic(fmt.Sprintf("pattern %s: %v", pattern, err))
	}
	if err := matchValue("$", got, want); err != nil {
		return fmt.Errorf("%v\n  want %s\n  got  %s", err, pattern, text)
	}
	return nil
}

func matchValue(at string, got, want any) error {
	switch want := want.(type) {
	case string:
		return matchString(at, got, want)
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is no object", at)
		}
		return matchObject(at, g, want)
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(want) {
			return fmt.Errorf("%s is no array of %d", at, len(want))
		}
		for i := range want {
			if err := matchValue(fmt.Sprintf("%s[%d]", at, i), g[i], want[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%s is %v, want %v", at, got, want)
	}
	return nil
}

func matchString(at string, got any, want string) error {
	if want == "?" {
		return nil
	}
	g, ok := got.(string)
	switch {
	case !ok:
		return fmt.Errorf("%s is %v, want a string", at, got)
	case want == "*" && g == "":
		return fmt.Errorf("%s is empty", at)
	case want == "*":
		return nil
	case strings.HasPrefix(want, "~"):
		if !regexp.MustCompile("(?s)" + want[1:]).MatchString(g) {
			return fmt.Errorf("%s is %q, want it to match %s", at, g, want[1:])
		}
	case g != want:
		return fmt.Errorf("%s is %q, want %q", at, g, want)
	}
	return nil
}

func matchObject(at string, got, want map[string]any) error {
	known := make(map[string]bool)
	for name, w := range want {
		optional := strings.HasPrefix(name, "?")
		name = strings.TrimPrefix(name, "?")
		known[name] = true
		g, ok := got[name]
		if !ok {
			if optional {
				continue
			}
			return fmt.Errorf("%s.%s is absent", at, name)
		}
		if err := matchValue(at+"."+name, g, w); err != nil {
			return err
		}
	}
	var extra []string
	for name := range got {
		if !known[name] {
			extra = append(extra, name)
		}
	}
	if len(extra) > 0 {
		sort.Strings(extra)
		return fmt.Errorf("%s has unexpected %s", at, strings.Join(extra, ", "))
	}
	return nil
}
