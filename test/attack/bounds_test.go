package attack

import (
	"strings"
	"testing"
	"time"
)

// harmless are the figures of an attack that does not do anything.
func harmless() figures {
	f := figures{connections: 2, did: 1, rssBefore: 30 << 20, rssMost: 35 << 20, rssAfter: 31 << 20}
	for p := range probes {
		f.before[p], f.during[p], f.beside[p], f.counted[p] = 2*time.Millisecond, 3*time.Millisecond, 2*time.Millisecond, 100
	}
	return f
}

// TestBounds breaks one bound after the other, and comes as near to each as may be.
func TestBounds(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		change func(*figures)
		want   string // in the only thing that is broken; "": nothing is
	}{
		"harmless":            {func(*figures) {}, ""},
		"no attack":           {func(f *figures) { f.did = 0 }, "the attackers did nothing"},
		"all of it refused":   {func(f *figures) { f.did, f.refused = 0, 1 }, "the attackers did nothing"},
		"some of it refused":  {func(f *figures) { f.refused = 1 }, ""},
		"slow answers":        {func(f *figures) { f.during[publish] = 46*ms + 1 }, "publish p99 46.0 ms, bound 46.0 ms"},
		"not quite as slow":   {func(f *figures) { f.during[publish] = 46 * ms }, ""},
		"slow deliveries":     {func(f *figures) { f.during[deliver] = time.Second }, "deliver p99 1000.0 ms"},
		"slow refusals":       {func(f *figures) { f.during[reply] = time.Second }, "reply p99"},
		"slow handshakes":     {func(f *figures) { f.during[open] = time.Second }, "open p90"},
		"slow before":         {func(f *figures) { f.before[open], f.during[open] = time.Second, 3*time.Second }, ""},
		"slow beside":         {func(f *figures) { f.beside[open], f.during[open] = time.Second, 3*time.Second }, ""},
		"slower than beside":  {func(f *figures) { f.beside[open], f.during[open] = 10*ms, 71*ms }, "bound 70.0 ms (3 × the greater of 2.0 ms before and 10.0 ms beside"},
		"nothing was opened":  {func(f *figures) { f.during[open], f.counted[open] = time.Second, 0 }, ""},
		"the broker hangs":    {func(f *figures) { f.hung, f.during[publish] = true, time.Second }, ""},
		"refusals need none":  {func(f *figures) { f.hung, f.during[reply] = true, time.Second }, "reply p99"},
		"the broker is busy":  {func(f *figures) { f.brokerBefore, f.brokerWhile = 0.5, 2 }, ""},
		"though it is asked":  {func(f *figures) { f.asks, f.brokerBefore, f.brokerWhile = true, 0.5, 0.76 }, "0.76 processors busy, bound 0.75"},
		"it has its own work": {func(f *figures) { f.asks, f.brokerBefore, f.brokerWhile = true, 0.5, 0.75 }, ""},
		"two connections":     {func(f *figures) { f.rssMost = 190 << 20 }, ""},
		"they cost too much":  {func(f *figures) { f.rssMost = 190<<20 + 1 }, "RSS 190 MB at most, bound 190 MB"},
		"very many":           {func(f *figures) { f.connections, f.rssMost = 1000, 350<<20 }, ""},
		"too much for all":    {func(f *figures) { f.connections, f.rssMost = 1000, 350<<20+1 }, "192 MB for all"},
		"what is left":        {func(f *figures) { f.rssAfter = 78 << 20 }, ""},
		"what should not be":  {func(f *figures) { f.rssAfter = 78<<20 + 1 }, "RSS 78 MB afterwards"},
		"too much for one":    {func(f *figures) { f.connections, f.rssMost = 1, 190<<20 }, "bound 174 MB"},
	} {
		f := harmless()
		c.change(&f)
		broken := f.broken()
		switch {
		case c.want == "" && len(broken) > 0:
			t.Errorf("%s: %q", name, broken)
		case c.want != "" && (len(broken) != 1 || !strings.Contains(broken[0], c.want)):
			t.Errorf("%s: %q, want one with %q", name, broken, c.want)
		case strings.Contains(f.row("it"), "BROKEN") != (c.want != ""):
			t.Errorf("%s: the table says %q", name, f.row("it"))
		}
	}
}

// TestRowNamesTheWorst tells of the probe that went furthest beyond its bound, and of what was lost.
func TestRowNamesTheWorst(t *testing.T) {
	f := harmless()
	f.during[deliver], f.during[open] = 50*time.Millisecond, 300*time.Millisecond
	f.faults = []string{"the process ended: exit code 2"}
	row := f.row("something")
	for _, want := range []string{"something ", " open ", "BROKEN: the process ended: exit code 2; deliver p99", "; open p90 300.0 ms"} {
		if !strings.Contains(row, want) {
			t.Errorf("%q does not have %q", row, want)
		}
	}
}

// TestDisturbed tells a round that says little by what the victims beside it waited.
func TestDisturbed(t *testing.T) {
	f := harmless()
	f.during[open], f.beside[open] = time.Second, disturbedFrom
	if f.disturbed() {
		t.Error("only the attack made its victims wait")
	}
	f.beside[open]++
	if !f.disturbed() {
		t.Error("those beside had to wait")
	}
}
