package pulsar

import (
	"slices"
	"testing"
	"time"
)

func TestPartitionListsAreForgotten(t *testing.T) {
	var p partitionLists
	if p.get("t") != nil {
		t.Error("known before it was looked up")
	}
	p.put("t", []string{"t-partition-0"})
	if got := p.get("t"); !slices.Equal(got, []string{"t-partition-0"}) {
		t.Errorf("got %v", got)
	}
	p.expire(time.Now())
	if p.get("t") == nil {
		t.Error("forgotten at once")
	}
	p.expire(time.Now().Add(keepPartitions))
	if p.known != nil {
		t.Errorf("kept %v", p.known)
	}
	p.known = map[string]partitionList{"t": {[]string{"t"}, time.Now().Add(-keepPartitions)}}
	if p.get("t") != nil {
		t.Error("an old list counts")
	}
}
