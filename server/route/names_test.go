package route

import (
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/topic"
)

// What a permission is asked for is what is opened: each name of a request is, letter for letter, the text in its spec.
func TestNamesAreThoseOfTheSpec(t *testing.T) {
	for _, tc := range []struct {
		path, query, names, pattern string
		valid                       bool
	}{
		{"/ws/v2/producer/persistent/public/default/t", "", "persistent://public/default/t", "", true},
		{"/ws/v2/reader/non-persistent/public/default/t-partition-3", "", "non-persistent://public/default/t-partition-3", "", true},
		{"/ws/consumer/persistent/p/c/ns/t/s", "", "persistent://p/c/ns/t", "", true},
		{"/ws/v2/producer/persistent/public/default/a%2Fb", "", "persistent://public/default/a/b", "", true}, // of the old form
		{"/ws/v2/producer/persistent/public/default/a+b%2Fc", "", "persistent://public/default/a b/c", "", false},
		{"/ws/v2/reader/persistent/public/default/a%2F", "", "persistent://public/default/a/", "", false},
		{"/ws/v3/consumer/s", "topics=b,%20Persistent://public/default/a,b,x/y/z%20", "persistent://public/default/b,persistent://public/default/a,persistent://x/y/z", "", true},
		{"/ws/v3/consumer/s", "topicsPattern=public/default/a.*", "", "persistent://public/default/a.*", true},
	} {
		r, err := Parse(tc.path, tc.query, Options{})
		if err != nil {
			t.Errorf("%s?%s: %v", tc.path, tc.query, err)
			continue
		}
		var names []string
		all := r.Topics
		for _, name := range r.Topics {
			names = append(names, name.String())
		}
		pattern := ""
		if r.Pattern != nil {
			pattern = r.Pattern.String()
			all = append(all, *r.Pattern)
		}
		opened := r.Producer.Topic + r.Reader.Topic + r.Consumer.Topic + r.Consumer.Topics
		if got := strings.Join(names, ","); got != tc.names || opened != got || pattern != tc.pattern || r.Consumer.TopicsPattern != pattern {
			t.Errorf("%s?%s: names %s, pattern %s; opened are %s%s", tc.path, tc.query, got, pattern, opened, r.Consumer.TopicsPattern)
		}
		for _, name := range all {
			if again, _ := topic.Parse(name.String()); name.Valid() != tc.valid || again != name {
				t.Errorf("%s?%s: %+v", tc.path, tc.query, name)
			}
		}
	}
}
