package census

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

// Namespaces beyond the bound share a place, from which nothing is ever taken away.
func TestNamespaceCounters(t *testing.T) {
	r := New()
	publish := func(ns string) {
		p := r.Producer("persistent://a/"+ns+"/t", outlet{})
		p.Published(1, time.Millisecond)
		p.Leave()
	}
	of := func(ns string, n uint64) NamespaceCounters {
		return NamespaceCounters{Namespace: ns, Published: n, PublishedBytes: n}
	}
	expect := func(want ...NamespaceCounters) {
		t.Helper()
		if got := r.NamespaceCounters(2); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, expected %+v", got, want)
		}
	}
	expect(of("", 0))
	publish("z")
	expect(of("a/z", 1), of("", 0))
	for i := range 3 {
		publish(fmt.Sprint(i))
	}
	expect(of("a/0", 1), of("a/z", 1), of("", 2))
	for range forgetAfter + 1 {
		r.closeMinute(time.Minute)
	}
	expect(of("a/0", 1), of("a/z", 1), of("", 2))
	publish("1")
	publish("z")
	expect(of("a/0", 1), of("a/z", 2), of("", 3))
}
