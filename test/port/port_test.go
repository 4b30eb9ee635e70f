package port

import (
	"fmt"
	"strings"
	"testing"
)

func TestApart(t *testing.T) {
	const all = "1024\t65535\n"
	for _, x := range []struct {
		local, reserved string
		taken           int // the first port that a client may be given; 0: none
	}{
		{"", "", 0},
		{"32768\t60999\n", "\n", 0},
		{"32000\t60999\n", "\n", 0},
		{"31999\t60999\n", "\n", 31999},
		{"1024\t19999\n", "\n", 0},
		{"1024\t20000\n", "\n", 20000},
		{all, "\n", 20000},
		{all, "20000-31999\n", 0},
		{all, "8080,15000-25000,25001,25002-40000\n", 0},
		{all, "8080,15000-25000,25002-40000\n", 25001},
		{all, "20000-31998\n", 31999},
	} {
		err := apart(x.local, x.reserved)
		switch {
		case x.taken == 0 && err != nil:
			t.Errorf("%q, reserved %q: %v", x.local, x.reserved, err)
		case x.taken > 0 && (err == nil || !strings.Contains(err.Error(), fmt.Sprintf("such as %d,", x.taken))):
			t.Errorf("%q, reserved %q: %v, want port %d", x.local, x.reserved, err, x.taken)
		}
	}
	for _, x := range [][2]string{{"few", ""}, {"1024", ""}, {all, "many"}, {all, "1-many"}} {
		if err := apart(x[0], x[1]); err == nil || strings.Contains(err.Error(), "such as") {
			t.Errorf("%q, reserved %q: %v", x[0], x[1], err)
		}
	}
}

func TestFree(t *testing.T) {
	list, err := Free(100)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range list {
		if seen[p] || p < ours.first || p > ours.last {
			t.Errorf("%d among %v", p, list)
		}
		seen[p] = true
	}
	if len(list) != 100 {
		t.Errorf("%d ports", len(list))
	}
}
