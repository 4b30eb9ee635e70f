package bridge

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// roles sorts the principals that a kind of upstream client has, of those that are open.
func roles[T any](list []T, of func(T) string) (all []string) {
	for _, x := range list {
		all = append(all, of(x))
	}
	slices.Sort(all)
	return all
}

// Sessions share upstream clients with those of the same role only.
func TestRolesDoNotShare(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd, split: 2}
	b := newBridge(t, u, Options{})
	want := []string{"alice", "bob"}
	for range 2 {
		for _, role := range want {
			produce(t, b, ProducerSpec{Topic: topic, Principal: role})
			shared := sharedSpec
			shared.Principal = role
			consume(t, b, shared, minute)
			spec := latest()
			spec.Principal = role
			read(t, b, spec, ReadOptions{Window: 9})
		}
	}
	u.mu.Lock()
	u.split = 3 // one more
	u.mu.Unlock()
	for _, role := range want {
		b.mu.Lock()
		known := b.split[splitKey{topic, role}]
		b.mu.Unlock()
		known.search(b)
	}
	// An operator sees whose each is: a producer, a subscription, and a tail for each partition.
	of := map[string]int{}
	for _, c := range b.clients() {
		of[c.Principal]++
	}
	if len(of) != 2 || of["alice"] != 5 || of["bob"] != 5 {
		t.Errorf("clients: %v", of)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if got := roles(u.producers, func(p *fakeProducer) string { return p.spec.Principal }); !slices.Equal(got, want) {
		t.Errorf("producers of %v", got)
	}
	if got := roles(u.consumers, func(c *fakeConsumer) string { return c.spec.Principal }); !slices.Equal(got, want) {
		t.Errorf("consumers of %v", got)
	}
	got := roles(u.readers, func(c *fakeConsumer) string { return c.reader.Topic + " of " + c.reader.Principal })
	for i := range 3 {
		for _, role := range want {
			if !slices.Contains(got, names.PartitionName(topic, i)+" of "+role) {
				t.Errorf("%s has no reader on partition %d", role, i)
			}
		}
	}
	if len(got) != 6 {
		t.Errorf("readers of %v", got)
	}
	if !slices.Contains(u.asked, "alice") || !slices.Contains(u.asked, "bob") || slices.Contains(u.asked, "") {
		t.Errorf("partitions were asked for on behalf of %q", u.asked)
	}
}

// A role that has read less than another goes on by a reader of its own.
func TestRolesDoNotShareACatchUp(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd}
	b := newBridge(t, u, Options{})
	for _, role := range []string{"alice", "bob", "alice"} {
		read(t, b, ReaderSpec{Topic: topic, Principal: role, Start: StartEarliest, Queue: 9}, ReadOptions{Window: 9})
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	of := map[string]int{}
	for _, r := range u.readers {
		of[r.reader.Principal]++
	}
	if of["alice"] != of["bob"] || of["alice"] == 0 || of[""] > 0 {
		t.Errorf("readers: %v", of)
	}
}

// A producer whose role has lost its permission ends. It is made anew when the role has it again.
func TestProducerOfARoleThatIsDenied(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	spec := ProducerSpec{Topic: topic, Principal: "alice"}
	o := produce(t, b, spec)
	send(t, o, "MQ==", "")
	u.made()[0].confirm(0, &Error{Kind: ErrForbidden, Detail: "alice may not"})
	waitFor(t, "another producer", func() bool { return len(u.made()) == 2 })
	if got := o.fill(9); len(got) != 1 || !strings.Contains(got[0], "alice may not") || !strings.Contains(got[0], `"send-error:6"`) {
		t.Errorf("answers: %q", got)
	}
	send(t, o, "Mg==", "")
	second := u.made()[1]
	waitFor(t, "a message", func() bool { return second.payloads() == "2" })
	if second.spec != spec {
		t.Errorf("made anew: %+v", second.spec)
	}
	second.confirm(0, nil)
}

// So does a session that consumes or reads: the client is told why.
func TestSessionOfARoleThatIsDenied(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd}
	b := newBridge(t, u, Options{})
	c, r := consume(t, b, sharedSpec, minute), read(t, b, latest(), ReadOptions{Window: 9})
	u.consumers[0].r.Lost(&Error{Kind: ErrForbidden, Detail: "alice may not"})
	u.readers[0].r.Lost(&Error{Kind: ErrUnauthorized, Detail: "alice is not known"})
	for o, want := range map[*fakeOutlet]codec.Code{c: codec.CodeAuthorize, r: codec.CodeAuthenticate} {
		o.mu.Lock()
		if o.code != want || !strings.Contains(o.ended, "alice") {
			t.Errorf("ended with %v: %s", o.code, o.ended)
		}
		o.mu.Unlock()
	}
}
