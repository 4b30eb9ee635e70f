// Package attack attacks a gateway as clients that mean harm do, while others use it, and measures what the others notice
// of it and what memory it costs.
//
// The gateway is the binary, a process of its own. So are the attackers: a low priority keeps what their own work costs
// from those whom they attack, since one machine has to do for all. The victims are publishers, consumers and
// readers at modest, fixed rates.
package attack

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The bounds.
//
// Two things keep a busy machine from breaking them. Beside the gateway that is attacked there is another with victims of
// its own, which nobody attacks: when the machine makes these wait, the others may, too. And the bounds hold for an attack
// when all of them hold in one of its rounds: what a machine does by chance it does not do in every round, and what an
// attack does it does in each.
const (
	rounds = 10

	// During an attack the 99th percentile of each of the victims' latencies is at most this many times what it was before
	// or, if that is more, what it is meanwhile beside the gateway that nobody attacks, and this much more: victims that
	// wait 3 ms on two processors of their own have to share these with the attack and with what it is carried out by.
	// Only thirty sessions are opened in a round, too few for such a percentile: of these it is the 90th.
	slowerTimes = 3
	slowerBy    = 40 * time.Millisecond

	// A round in which even those who are not attacked wait for longer than that says little. The first of them are repeated.
	disturbedFrom = 200 * time.Millisecond
	calmRounds    = 3

	// A hostile connection costs at most connectionBytes, all of them together at most attackBytes: for what many hold
	// together the gateway has one budget, memoryLimit.
	connectionBytes = 16 << 20
	attackBytes     = 192 << 20
	memoryLimit     = 128 << 20

	// garbageBytes is what the heap may grow by besides: what lies between two collections, see docs/deployment.md.
	garbageBytes = 128 << 20

	// questionCores is how many processors the broker may be kept busy with by attacks that only ask, besides what it was before.
	questionCores = 0.25

	// keptBytes is what may stay once the attackers have left and the gateway has come to rest.
	keptBytes = 48 << 20
)

// probe is one thing that victims do again and again, and whose latency is measured.
type probe int

const (
	publish probe = iota // from when a message is due to be sent until it is answered
	deliver              // from then until it has come to a consumer or a reader
	reply                // to a request that is refused, for which no broker is needed
	open                 // from the beginning of a connection to its session
	probes
)

var probeNames = [probes]string{"publish", "deliver", "reply", "open"}

// seldom reports that too few are measured in a round for a 99th percentile.
func (p probe) seldom() bool { return p == open }

// percentile is which of a probe's latencies is judged.
func (p probe) percentile() string {
	if p.seldom() {
		return "p90"
	}
	return "p99"
}

// figures are what was measured in one round of an attack.
type figures struct {
	connections int   // hostile ones that are open at the same time, at most
	hung        bool  // the broker was: only what needs none is judged
	opens       bool  // sessions are opened all the time: the victims' new ones are not judged
	did         int64 // what the attackers have done: frames, requests or connections
	refused     int64 // what of that was refused

	before, during, beside [probes]time.Duration // percentiles; beside: during the attack, where there is none
	counted                [probes]int64         // how many latencies during stands on

	asks                      bool    // the broker is to have next to nothing of the attack
	brokerBefore, brokerWhile float64 // processors that the broker kept busy, before and during; 0: there is none to see

	rssBefore, rssMost, rssAfter int64 // resident memory in bytes: before the attack, at most from then on, and at rest again

	faults []string // what must not happen in any round: the process ended, a victim lost something
}

// slowest is the most that a probe may take during an attack.
func (f *figures) slowest(p probe) time.Duration {
	return slowerTimes*max(f.before[p], f.beside[p]) + slowerBy
}

// disturbed reports that the machine made all wait.
func (f *figures) disturbed() bool {
	return slices.Max(f.beside[:]) > disturbedFrom
}

// most is how much memory the gateway may hold during the attack, in bytes.
func (f *figures) most() int64 {
	return f.rssBefore + garbageBytes + min(int64(f.connections)*connectionBytes, attackBytes)
}

// judges reports whether the latencies of a probe count.
func (f *figures) judges(p probe) bool {
	return f.counted[p] > 0 && (!f.hung || p == reply) && (!f.opens || p != open)
}

// worst is the probe that came nearest to its bound, or went furthest beyond it.
func (f *figures) worst() probe {
	worst, share := reply, -1.0
	for p := range probes {
		if s := float64(f.during[p]) / float64(f.slowest(p)); f.judges(p) && s > share {
			worst, share = p, s
		}
	}
	return worst
}

// broken says which bounds do not hold.
func (f *figures) broken() []string {
	var all []string
	if f.did == 0 { // their priority is low, or all of it was refused
		all = append(all, "the attackers did nothing")
	}
	for p := range probes {
		if f.judges(p) && f.during[p] > f.slowest(p) {
			all = append(all, fmt.Sprintf("%s %s %s, bound %s (%d × the greater of %s before and %s beside + %s)",
				probeNames[p], p.percentile(), millis(f.during[p]), millis(f.slowest(p)), slowerTimes, millis(f.before[p]), millis(f.beside[p]), millis(slowerBy)))
		}
	}
	if f.asks && f.brokerWhile > f.brokerBefore+questionCores {
		all = append(all, fmt.Sprintf("the broker kept %.2f processors busy, bound %.2f (%.2f before + %.2f)",
			f.brokerWhile, f.brokerBefore+questionCores, f.brokerBefore, questionCores))
	}
	if f.rssMost > f.most() {
		all = append(all, fmt.Sprintf("RSS %s at most, bound %s (%s before + %s of garbage + %s for each of %d connections, %s for all)",
			mega(f.rssMost), mega(f.most()), mega(f.rssBefore), mega(garbageBytes), mega(connectionBytes), f.connections, mega(attackBytes)))
	}
	if f.rssAfter > f.rssBefore+keptBytes {
		all = append(all, fmt.Sprintf("RSS %s afterwards, bound %s (%s before + %s)",
			mega(f.rssAfter), mega(f.rssBefore+keptBytes), mega(f.rssBefore), mega(keptBytes)))
	}
	return all
}

// headings are those of the table that row fills.
var headings = fmt.Sprintf("%-58s %6s %9s %8s   %-8s %9s %9s %9s %9s   %7s %7s %7s %7s   %6s %6s",
	"attack", "conns", "did", "refused", "worst of", "before", "beside", "during", "bound", "RSS", "most", "bound", "after", "broker", "during")

// row is the figures as a line of the table.
func (f *figures) row(name string) string {
	p := f.worst()
	line := fmt.Sprintf("%-58s %6d %9d %8d   %-8s %9s %9s %9s %9s   %7s %7s %7s %7s   %6.2f %6.2f", name, f.connections, f.did, f.refused,
		probeNames[p], millis(f.before[p]), millis(f.beside[p]), millis(f.during[p]), millis(f.slowest(p)),
		mega(f.rssBefore), mega(f.rssMost), mega(f.most()), mega(f.rssAfter), f.brokerBefore, f.brokerWhile)
	if wrong := append(f.faults[:len(f.faults):len(f.faults)], f.broken()...); len(wrong) > 0 {
		line += "  BROKEN: " + strings.Join(wrong, "; ")
	}
	return line
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

func mega(n int64) string { return fmt.Sprintf("%d MB", n>>20) }
