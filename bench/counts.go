//go:build linux

package bench

// counter names one of the things that are counted.
type counter int

const (
	opened       counter = iota // sessions opened, again and again if they were closed
	openFailed                  // openings that failed
	dropped                     // sessions that ended although nobody here ended them
	ended                       // sessions closed at the end of their lifetime
	sent                        // messages
	confirmed                   // answered ok
	sendErrors                  // answered with an error
	strayReplies                // answers to what was not asked, or was answered before
	lateReplies                 // answers that came after that of a later message
	received                    // messages pushed to us
	delivered                   // of them, those seen for the first time by their subscription or reader
	repeated                    // seen before
	reordered                   // new, but behind a later one of the same sender on the same session
	redelivered                 // with a redelivery count
	foreign                     // stamped by another run, or not stamped
	acknowledged                // by us
	badFrames                   // frames that make no sense
	expected                    // deliveries that confirmed messages call for
	bytesIn                     // on the wire, above TCP
	bytesOut
	counters
)

// counts holds one number for each counter.
type counts [counters]uint64

func (c *counts) add(o *counts) {
	for i := range c {
		c[i] += o[i]
	}
}

// since is what was counted after o.
func (c *counts) since(o *counts) (d counts) {
	for i := range c {
		d[i] = c[i] - o[i]
	}
	return d
}
