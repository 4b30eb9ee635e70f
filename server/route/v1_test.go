package route

import (
	"strings"
	"testing"
)

// Where the cluster is taken out of names, no place is left in which a client's name is opened as it is.
func TestNamesWithoutCluster(t *testing.T) {
	o := Options{V1WithoutCluster: true, V1LegacyTime: true, MaxTopics: 2}
	parse := func(target string) (*Request, error) {
		path, query, _ := strings.Cut(target, "?")
		return Parse(path, query, o)
	}
	for target, want := range map[string]string{
		"/ws/producer/persistent/p/c/n/t":                                 "persistent://p/n/t",
		"/ws/reader/non-persistent/p/c/n/t%20u":                           "non-persistent://p/n/t u",
		"/ws/consumer/persistent/p/c/n/t-partition-3/s":                   "persistent://p/n/t-partition-3",
		"/ws/v2/producer/persistent/p/c/n/t":                              "persistent://p/n/t",
		"/ws/v2/producer/persistent/p/n/t":                                "persistent://p/n/t",
		"/ws/v2/reader/persistent/p/c/n%2Ft":                              "persistent://p/n/t",
		"/ws/v2/consumer/persistent/p/c/n%2Ft/s":                          "persistent://p/n/t",
		"/ws/v3/consumer/s?topics=p/c1/n/t,p/c2/n/t,p/n/u,persistent://t": "",
		"/ws/v3/consumer/s?topics=p/c1/n/t,p/c2/n/t,p/n/u":                "persistent://p/n/t,persistent://p/n/u",
		"/ws/v3/consumer/s?topicsPattern=p/c/n/t.*":                       "persistent://p/n/t.*",
		"/ws/producer/persistent/p/c/n/t/u":                               "",
		"/ws/reader/persistent/p/c/n/t%2Fu":                               "",
		"/ws/consumer/persistent/p/c/n/t%2Fu/s":                           "",
		"/ws/v2/producer/persistent/p/c/n/t/u":                            "",
		"/ws/v3/consumer/s?topics=p/c/n/t/u":                              "",
		"/ws/v3/consumer/s?topicsPattern=p/c/n/t/u":                       "",
	} {
		r, err := parse(target)
		if want == "" {
			if e, ok := err.(*Error); !ok || e.Status != 400 {
				t.Errorf("%s: %+v, %v, want 400", target, r, err)
			}
			continue
		}
		if err != nil || r.Topic() != want {
			t.Errorf("%s: %+v, %v, want %s", target, r, err, want)
		}
	}
	r, err := parse("/ws/consumer/persistent/p/c/n/t/s?maxRedeliverCount=1&deadLetterTopic=p/c/n/dead")
	if err != nil || r.Consumer.DeadLetterTopic != "persistent://p/n/dead" || !r.Consume.Format.LegacyTime {
		t.Errorf("dead letters: %+v, %v", r, err)
	}
	if r, err := parse("/ws/consumer/persistent/p/c/n/t/s?maxRedeliverCount=1&deadLetterTopic=p/c/n/dead/u"); err == nil || !strings.Contains(err.Error(), "deadLetterTopic: ") {
		t.Errorf("dead letters on a name with a slash: %+v, %v", r, err)
	}
}
