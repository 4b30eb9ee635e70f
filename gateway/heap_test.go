package gateway

import (
	"context"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
)

func TestHeapPace(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name        string
		grown, live uint64
		percent     int
	}{
		{"idle", mib / 2, 10 * mib, usualPercent},
		{"busy on a small heap", 40 * mib, 10 * mib, 400},
		{"busy on a heap that is next to nothing", 40 * mib, 1, 1000},
		{"busy on a large heap", 40 * mib, 100 * mib, usualPercent},
		{"busy on a heap of that size", 40 * mib, 40 * mib, 100},
		{"busier than the bound", 4000 * mib, 16 * mib, 800},
	} {
		p := heapPacer{percent: usualPercent}
		if percent, release := p.look(c.grown, c.live, 0); percent != c.percent || release {
			t.Errorf("%s: %d, %v; want %d", c.name, percent, release, c.percent)
		}
	}
}

func TestHeapPaceIsSteady(t *testing.T) {
	const mib = 1 << 20
	p := heapPacer{percent: 400}
	if percent, _ := p.look(45*mib, 10*mib, 0); percent != 400 {
		t.Errorf("a small change made it %d", percent)
	}
	if percent, _ := p.look(45*mib+80*mib, 10*mib, 0); percent != 800 {
		t.Errorf("a large change made it %d", percent)
	}
	p = heapPacer{percent: 1600}
	if percent, _ := p.look(4000*mib, 10*mib, 0); percent != 1280 {
		t.Errorf("a small change beyond the bound made it %d", percent)
	}
}

func TestHeapPaceIsBoundAsTheHeapGrows(t *testing.T) {
	const mib = 1 << 20
	p := heapPacer{percent: usualPercent}
	p.percent, _ = p.look(4000*mib, 4*mib, 0)
	for _, c := range []struct {
		live    uint64
		percent int
	}{{4 * mib, 3200}, {1, 3200}, {5 * mib, 2560}, {8 * mib, 1600}, {64 * mib, 200}, {4 * mib, 200}, {4000 * mib, usualPercent}} {
		if p.percent = p.bound(c.live); p.percent != c.percent {
			t.Errorf("%d MiB: %d, want %d", c.live/mib, p.percent, c.percent)
		}
	}
}

func TestCollectionsAreTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := collections(ctx)
	for range 3 {
		runtime.GC()
		<-ended
	}
}

// looks is a look at a heap of so many bytes, which says how much was allocated since the one before, and hears whether memory is given back.
func looks(live uint64) func(grown uint64) (release bool) {
	p := heapPacer{percent: usualPercent}
	var allocated uint64
	return func(grown uint64) bool {
		allocated += grown
		_, release := p.look(allocated, live, 0)
		return release
	}
}

func TestHeapIsGivenBackOnceAfterLoad(t *testing.T) {
	const mib = 1 << 20
	look := looks(10 * mib)
	if look(100 * mib) {
		t.Error("under load")
	}
	if !look(0) {
		t.Error("not after load")
	}
	if look(0) {
		t.Error("twice")
	}
	for range 32 {
		if look(mib / 2) {
			t.Error("with little garbage")
		}
	}
	if !look(mib / 2) {
		t.Error("not when small garbage has added up")
	}
}

// TestHeapIsGivenBackWhenClientsLetGo gives back what they held while memory was given back before.
func TestHeapIsGivenBackWhenClientsLetGo(t *testing.T) {
	const mib = 1 << 20
	p := heapPacer{percent: usualPercent}
	look := func(used int64) bool {
		_, release := p.look(200*mib, 10*mib, used)
		return release
	}
	if look(128*mib) || !look(128*mib) || look(128*mib) {
		t.Error("not once after load")
	}
	if look(120 * mib) {
		t.Error("for a little")
	}
	if !look(64 * mib) {
		t.Error("not when clients let go of it")
	}
	if look(64*mib) || look(72*mib) {
		t.Error("twice")
	}
}

// TestHeapIsSeldomGivenBack has little traffic that comes and goes: collections for what it leaves stay seldom, and the
// larger the heap is the more garbage each is for.
func TestHeapIsSeldomGivenBack(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name     string
		live     uint64
		burst    uint64
		looks    int
		releases []int // at which look
	}{
		{"large heap, small bursts", 4096 * mib, 20 * mib, 40, nil},
		{"large heap, large bursts", 4096 * mib, 100 * mib, 50, []int{9, 19, 29, 39, 49}},
		{"large heap, larger bursts", 4096 * mib, 500 * mib, 50, []int{1, 11, 21, 31, 41}},
		{"garbage of the heap's size", 100 * mib, 100 * mib, 6, []int{1, 3, 5}},
	} {
		look := looks(c.live)
		var releases []int
		for i := range c.looks {
			grown := c.burst
			if i%2 == 1 {
				grown = 0
			}
			if look(grown) {
				releases = append(releases, i)
			}
		}
		if !slices.Equal(releases, c.releases) {
			t.Errorf("%s: given back at %v, want %v", c.name, releases, c.releases)
		}
	}
}

// TestHeapIsGivenBackInTheEnd has a little left soon after memory was given back: it follows.
func TestHeapIsGivenBackInTheEnd(t *testing.T) {
	const mib = 1 << 20
	look := looks(200 * mib)
	if look(100*mib) || !look(0) {
		t.Error("not once after load")
	}
	if look(40 * mib) {
		t.Error("under load")
	}
	for range releaseLooks - 2 {
		if look(0) {
			t.Error("soon, for a little")
		}
	}
	if !look(0) {
		t.Error("not in the end")
	}
}

func TestHeapPacerLeavesThePaceAsItWas(t *testing.T) {
	before := debug.SetGCPercent(123)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	paceHeap(ctx, func() int64 { return 0 })
	if now := debug.SetGCPercent(123); now != 123 {
		t.Errorf("left at %d", now)
	}
}
