package pulsar

import (
	"testing"
	"time"
)

func TestPartitionCountsAreForgotten(t *testing.T) {
	var p partitionCounts
	expect := func(what string, n int, known bool) {
		t.Helper()
		if gotN, got := p.get(askedTopic{topic: "t"}); got != known || gotN != n {
			t.Errorf("%s: %d, %v", what, gotN, got)
		}
	}
	expect("before it was looked up", 0, false)
	p.put(askedTopic{topic: "t"}, 3)
	expect("at once", 3, true)
	if _, known := p.get(askedTopic{"t", "somebody"}); known {
		t.Error("what a broker told one role is told another")
	}
	p.expire(time.Now())
	expect("after a sweep", 3, true)
	p.expire(time.Now().Add(keepPartitions))
	if p.known != nil {
		t.Errorf("kept %v", p.known)
	}
	p.known = map[askedTopic]partitionCount{{topic: "t"}: {3, time.Now().Add(-keepPartitions)}}
	if _, known := p.get(askedTopic{topic: "t"}); known {
		t.Error("an old count counts")
	}
}
