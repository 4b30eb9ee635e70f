package topic

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for full, want := range map[string]Name{
		"persistent://a/b/c":                  {domain: "persistent", namespace: "a/b", partition: -1},
		"non-persistent://a/b/c-partition-3":  {domain: "non-persistent", namespace: "a/b", partition: 3},
		"persistent://p/c/ns/t":               {domain: "persistent", namespace: "p/c/ns", cluster: "c", partition: -1},
		"persistent://p/c/ns/t/u-partition-0": {domain: "persistent", namespace: "p/c/ns", cluster: "c", partition: 0},
	} {
		want.full = full
		want.whole = len(strings.TrimSuffix(strings.TrimSuffix(full, "-partition-3"), "-partition-0"))
		got, err := Parse(full)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", full, got, err)
		}
		if got.String() != full || got.Persistent() != Persistent(full) || !strings.HasPrefix(got.Namespace(), got.Tenant()+"/") {
			t.Errorf("%s: %+v", full, got)
		}
	}
	if n, err := Parse("Non-PERSISTENT://a/b/c"); err != nil || n.String() != "non-persistent://a/b/c" {
		t.Errorf("in capitals: %s, %v", n, err)
	}
	for _, full := range []string{"", "t", "persistent://a/b c/d", "persistent://a/\u00e4/d", "persistent:/a/b/c", "a/b/c", "topic://a/b/c", "persistent://", "persistent://a/b", "persistent://a//c", "persistent:///b/c", "persistent://a/b/", "persistent://a/b/c/"} {
		if n, err := Parse(full); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %+v, %v", full, n, err)
		}
	}
}

func TestWithoutCluster(t *testing.T) {
	for full, want := range map[string]string{
		"persistent://p/c/n/t":                 "persistent://p/n/t",
		"non-persistent://p/c/n/t-partition-3": "non-persistent://p/n/t-partition-3",
		"persistent://p/n/t":                   "persistent://p/n/t",
		"persistent://p/c/n/t/u":               "",
	} {
		n, err := Parse(full)
		if err != nil {
			t.Fatal(err)
		}
		got, err := n.WithoutCluster()
		if want == "" {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: %+v, %v", full, got, err)
			}
			continue
		}
		if plain, _ := Parse(want); err != nil || got != plain || got.Partition() != n.Partition() {
			t.Errorf("%s: %+v, %v", full, got, err)
		}
	}
}

func TestSplitPartition(t *testing.T) {
	const base = "persistent://a/b/x"
	for suffix, want := range map[string]int32{
		"-partition-0": 0, "-partition-17": 17, "-partition-2147483647": 2147483647,
	} {
		if got, n := SplitPartition(base + suffix); got != base || n != want {
			t.Errorf("%s: %s, %d", suffix, got, n)
		}
		if PartitionName(base, int(want)) != base+suffix {
			t.Errorf("%d: %s", want, PartitionName(base, int(want)))
		}
	}
	for _, suffix := range []string{
		"", "-partition-", "-partition", "-partition-007", "-partition-00", "-partition-+3", "-partition--1", "-partition-3x", "-partition-3-partition-",
		"-partition-2147483648", "-partition-99999999999", "-partition-1_0", "-partition- 1", "-Partition-1", "-partition-\u0663", "-partition-3/y",
	} {
		if got, n := SplitPartition(base + suffix); got != base+suffix || n != NotPartitioned {
			t.Errorf("%s: %s, %d", suffix, got, n)
		}
	}
	if got, n := SplitPartition("persistent://a/b/x-partition-1-partition-2"); got != "persistent://a/b/x-partition-1" || n != 2 {
		t.Errorf("twice: %s, %d", got, n)
	}
}

// A name of a partition is put together and taken apart without a difference, and
// nothing but such a name counts as one.
func FuzzSplitPartition(f *testing.F) {
	for _, seed := range []string{"persistent://a/b/x-partition-1", "x-partition-007", "-partition--partition-2147483648", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, full string) {
		base, n := SplitPartition(full)
		if n == NotPartitioned && base != full || n != NotPartitioned && PartitionName(base, int(n)) != full {
			t.Fatalf("%q: %q, %d", full, base, n)
		}
	})
}

// TestParseKeepsRefusedText: who opens a topic whose name is refused here asks for what the client gave.
func TestParseKeepsRefusedText(t *testing.T) {
	for _, full := range []string{"", "t", "topic://a/b/c", "persistent://a/b", "persistent://a/b c/d/e", "persistent://a/b/c/", "persistent://a//c"} {
		if n, err := Parse(full); err == nil || n.Valid() || n.String() != full {
			t.Errorf("%q: %+v, %v", full, n, err)
		}
	}
	if n, err := Parse("persistent://a/b/c"); err != nil || !n.Valid() {
		t.Errorf("%+v, %v", n, err)
	}
}
