package pulsar

import (
	"testing"
)

func TestTopicPath(t *testing.T) {
	for topic, want := range map[string]string{
		"persistent://t/n/a b":         "/admin/v2/persistent/t/n/a%20b",
		"persistent://t/n/a":           "/admin/v2/persistent/t/n/a",
		"non-persistent://p/c/n/topic": "/admin/non-persistent/p/c/n/topic",
	} {
		if got := topicPath(topic); got != want {
			t.Errorf("%s: %s, want %s", topic, got, want)
		}
	}
}
