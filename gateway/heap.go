package gateway

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// heapTick is how often the garbage collector's pace is looked at.
	heapTick = time.Second

	// usualPercent is what the heap may at least grow by between two collections.
	// Go's own pace is 100, but what a session is made of lies between the garbage of
	// its opening, which keeps its place in memory then.
	usualPercent = 50

	// maxHeadroom bounds what the heap may grow by between two collections when
	// that is more than usualPercent allows.
	maxHeadroom = 128 << 20

	// leastHeap is the heap below which Go does not count percentages.
	leastHeap = 4 << 20

	// quietRate is the allocation, in bytes a second, below which the gateway
	// counts as idle. A collection, which has to look at all of the heap, is worth it then from leftBehind bytes of
	// garbage on, if that is leftPercent of the heap; and if it is less than usualPercent, for which the heap would be
	// collected anyhow, not sooner than releaseLooks after the last one.
	quietRate    = 1 << 20
	leftBehind   = 16 << 20
	leftPercent  = 12
	releaseLooks = 10
)

// heapPacer makes the garbage collector run about once in a heapTick. Idle
// sessions are small, so the heap is, and at Go's own pace a busy gateway
// would collect dozens of times a second, for a third of its CPU. Idle, it goes at
// the usual pace, and what the load has left goes back to the system.
//
// It belongs to the goroutine of run.
type heapPacer struct {
	percent int
	before  uint64 // bytes allocated since the process began, at the last look
	used    int64  // bytes that clients made the process hold, at the last look
	garbage uint64 // allocated or let go of since memory was last given back
	rest    int    // looks until a little of it is given back again
}

// paceHeap runs a pacer until ctx ends, unless the operator has set a pace. used is how many bytes clients make
// the process hold now.
func paceHeap(ctx context.Context, used func() int64) {
	if os.Getenv("GOGC") != "" {
		return
	}
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	p := heapPacer{percent: usualPercent}
	collected := collections(ctx)
	tick := time.NewTicker(heapTick)
	defer tick.Stop()
	defer debug.SetGCPercent(debug.SetGCPercent(usualPercent))
	for {
		var percent int
		var release bool
		select {
		case <-ctx.Done():
			return
		case <-collected:
			metrics.Read(samples)
			percent = p.bound(samples[1].Value.Uint64())
		case <-tick.C:
			metrics.Read(samples)
			percent, release = p.look(samples[0].Value.Uint64(), samples[1].Value.Uint64(), used())
		}
		if percent != p.percent {
			p.percent = percent
			debug.SetGCPercent(percent)
		}
		if release {
			// What lies in pools outlives one collection, and after this there may be none for two minutes.
			runtime.GC()
			debug.FreeOSMemory()
		}
	}
}

// collections returns a channel that tells of a garbage collection soon after its end, until ctx ends.
func collections(ctx context.Context) <-chan struct{} {
	ended := make(chan struct{}, 1)
	var watch func()
	watch = func() {
		// An object that nobody has is found by the next collection.
		type sentinel struct{ _ *byte }
		runtime.AddCleanup(new(sentinel), func(struct{}) {
			if ctx.Err() != nil {
				return
			}
			select {
			case ended <- struct{}{}:
			default: // it has not been looked at since the last one
			}
			watch()
		}, struct{}{})
	}
	watch()
	return ended
}

// paceFor is the pace, in GOGC's percent, at which a heap of live bytes grows by so many until the next collection.
func paceFor(growth, live uint64) (percent int) {
	return max(int(growth*100/max(live, leastHeap)), usualPercent)
}

// bound takes the size of the heap after a collection and returns the pace to go at: a
// heap that has grown since the last look would at the same pace grow by more
// than maxHeadroom until the next collection.
func (p *heapPacer) bound(live uint64) (percent int) {
	return min(p.percent, paceFor(maxHeadroom, live))
}

// look takes the bytes allocated so far, the size of the heap after its last
// collection, and how much of it clients hold. It returns the pace to go at, in GOGC's percent, and whether memory is
// to be given back to the system.
func (p *heapPacer) look(allocated, live uint64, used int64) (percent int, release bool) {
	grown := allocated - p.before
	p.before = allocated
	// What clients held when memory was given back becomes garbage without anything being allocated.
	p.garbage += grown + uint64(max(p.used-used, 0))
	p.used = used
	p.rest = max(p.rest-1, 0)
	if grown < quietRate {
		part := uint64(leftPercent)
		if p.rest > 0 {
			part = usualPercent
		}
		if release = p.garbage > max(leftBehind, live/100*part); release {
			p.garbage, p.rest = 0, releaseLooks
		}
		return usualPercent, release
	}
	percent = paceFor(min(grown, maxHeadroom), live)
	// Each change stops the world for a moment: small ones are left out.
	if d := percent - p.percent; d < p.percent/4 && -d < p.percent/4 {
		percent = p.bound(live)
	}
	return percent, false
}
