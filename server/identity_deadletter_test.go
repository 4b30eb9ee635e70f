package server

import "testing"

// Where the topic named after topic and subscription goes with the latter, a client
// that may only consume gets no further than there.
func TestUsualDeadLetterTopicIsFree(t *testing.T) {
	s, _ := guarded(t, echoBridge(), 0, func(o *Options) { o.DeadLettersFree = true })
	for path, status := range map[string]int{
		consumerPath("s") + "?maxRedeliverCount=1":                                                     101,
		consumerPath("s") + "?maxRedeliverCount=1&deadLetterTopic=persistent://public/default/t-s-DLQ": 101,
		consumerPath("s") + "?maxRedeliverCount=1&deadLetterTopic=persistent://public/default/d":       403,
		"/ws/v3/consumer/s?maxRedeliverCount=1&topics=a,b":                                             101,
		"/ws/v3/consumer/s?maxRedeliverCount=1&topics=a,b&deadLetterTopic=a-s-DLQ":                     403,
		"/ws/v3/consumer/s?maxRedeliverCount=1&topicsPattern=public/default/a.*":                       101,
	} {
		if _, got := openWith(t, s, path, bearerOf("reader")); got != status {
			t.Errorf("%s: status %d, want %d", path, got, status)
		}
	}
}

// A name that no broker takes is nobody's to use but a super-user's, who hears what the broker says: also where topic
// and subscription make one that is not valid.
func TestNamesThatAreNotValid(t *testing.T) {
	s, _ := guarded(t, echoBridge(), 0)
	for path, status := range map[string]int{
		"/ws/v2/producer/persistent/public/default/a+b%2Fc":                            403,
		"/ws/v2/consumer/persistent/public/default/a+b/x%2Fy?maxRedeliverCount=1":      403,
		"/ws/v2/consumer/persistent/public/default/a+b/xy?maxRedeliverCount=1":         101,
		"/ws/v3/consumer/x%2Fy?topicsPattern=public/default/a.[*]&maxRedeliverCount=1": 403,
	} {
		if _, got := openWith(t, s, path, bearerOf("both")); got != status {
			t.Errorf("%s: status %d, want %d", path, got, status)
		}
		if _, got := openWith(t, s, path, bearerOf("root")); got != 101 {
			t.Errorf("%s: a super-user gets %d", path, got)
		}
	}
}
