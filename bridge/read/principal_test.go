package read

import (
	"slices"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	names "github.com/pulsegate/pulsegate/topic"
)

// Sessions share tails with those of the same role only, also those of partitions that are added.
func TestRolesDoNotShareTails(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd, Split: 2}
	rs := newReaders(t, u, options{})
	want := []string{"alice", "bob"}
	for range 2 {
		for _, role := range want {
			spec := latest()
			spec.Principal = role
			read(t, rs, spec, bridge.ReadOptions{Window: 9})
		}
	}
	u.Mu.Lock()
	u.Split = 3 // one more
	u.Mu.Unlock()
	for _, role := range want {
		rs.mu.Lock()
		known := rs.split[splitKey{topic, role}]
		rs.mu.Unlock()
		known.search(rs)
	}
	// An operator sees whose each is: a tail for each partition.
	of := map[string]int{}
	for _, c := range rs.Clients() {
		of[c.Principal]++
	}
	if len(of) != 2 || of["alice"] != 3 || of["bob"] != 3 {
		t.Errorf("clients: %v", of)
	}
	u.Mu.Lock()
	defer u.Mu.Unlock()
	var got []string
	for _, r := range u.Readers {
		got = append(got, r.ReaderSpec.Topic+" of "+r.ReaderSpec.Principal)
	}
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
	if !slices.Contains(u.Asked, "alice") || !slices.Contains(u.Asked, "bob") || slices.Contains(u.Asked, "") {
		t.Errorf("partitions were asked for on behalf of %q", u.Asked)
	}
}

// A role that has read less than another goes on by a reader of its own.
func TestRolesDoNotShareACatchUp(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd}
	rs := newReaders(t, u, options{})
	for _, role := range []string{"alice", "bob", "alice"} {
		read(t, rs, bridge.ReaderSpec{Topic: topic, Principal: role, Start: bridge.StartEarliest, Queue: 9}, bridge.ReadOptions{Window: 9})
	}
	u.Mu.Lock()
	defer u.Mu.Unlock()
	of := map[string]int{}
	for _, r := range u.Readers {
		of[r.ReaderSpec.Principal]++
	}
	if of["alice"] != of["bob"] || of["alice"] == 0 || of[""] > 0 {
		t.Errorf("readers: %v", of)
	}
}
