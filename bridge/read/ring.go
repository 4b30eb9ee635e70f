package read

import (
	"sort"
	"time"

	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/codec/ws"
)

// frame is one message, encoded.
type frame struct {
	id        codec.MessageID
	ws        *ws.Frame
	came      time.Duration // when it arrived, see [latency.Arrival]
	published int64         // ms since 1970; 0: not known
	payload   int32         // bytes, for the statistics
	left      int32         // in a [catchUp]: sessions that have not taken it
}

// ring is the frames that a [stream] delivered last, in the order of the topic. They have
// consecutive sequence numbers. It is pure: its owner guards it, and says when frames go.
type ring struct {
	frames []frame
	first  uint64 // sequence number of frames[0]
	bytes  int    // of all frames
}

// end is the sequence number of the next frame to come.
func (r *ring) end() uint64 { return r.first + uint64(len(r.frames)) }

// at is the frame with a sequence number that is in the ring.
func (r *ring) at(seq uint64) *frame { return &r.frames[seq-r.first] }

// endsBefore reports that id comes after all that is in the ring.
func (r *ring) endsBefore(id *codec.MessageID) bool {
	n := len(r.frames)
	return n == 0 || id.Position().After(r.frames[n-1].id.Position())
}

// spans reports that the ring begins at or before a position and goes on after it.
func (r *ring) spans(at codec.Position) bool {
	n := len(r.frames)
	return n > 0 && !r.frames[0].id.Position().After(at) && r.frames[n-1].id.Position().After(at)
}

// after is the sequence number of the first frame after a position.
func (r *ring) after(at codec.Position) uint64 {
	return r.first + uint64(sort.Search(len(r.frames), func(i int) bool { return r.frames[i].id.Position().After(at) }))
}

// since is the sequence number of the first frame that was published at a time or later, or does not say when. Times need not
// grow: each producer has its own clock.
func (r *ring) since(at int64) uint64 {
	for i := range r.frames {
		if f := &r.frames[i]; f.published >= at || f.published == 0 {
			return r.first + uint64(i)
		}
	}
	return r.end()
}

// push adds a frame.
func (r *ring) push(f frame) {
	r.frames = append(r.frames, f)
	r.bytes += f.ws.Len()
}

// over is how many of the oldest frames, at most so many, must go so that the ring holds no more than bound bytes.
func (r *ring) over(bound, most int) (n int) {
	for rest := r.bytes; rest > bound && n < most; n++ {
		rest -= r.frames[n].ws.Len()
	}
	return n
}

// drop lets the first n frames go, and returns their size.
func (r *ring) drop(n int) (bytes int) {
	for i := range r.frames[:n] {
		bytes += r.frames[i].ws.Len()
		r.frames[i] = frame{}
	}
	r.frames = r.frames[n:]
	r.first += uint64(n)
	r.bytes -= bytes
	return bytes
}
