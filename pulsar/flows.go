package pulsar

import "math"

const (
	// maxGrant is how many messages are granted at once: brokers count in 32 bits.
	maxGrant = 1 << 30
	// firstWindow is how many messages the broker may send before the size of any is known: one where they might be more than is allowed, at
	// largeMessage bytes each, which is what brokers take by default.
	firstWindow  = 4
	largeMessage = 5 << 20
	// entryOverhead is added to the size of an entry, in bytes.
	entryOverhead = 256
	// freeWindow is what each consumer may have granted and held, in bytes, without asking [Options.Windows].
	freeWindow = 1 << 20
	// maxReserved bounds what is counted of one consumer, in bytes: a broker may have sent batches beyond all that was granted.
	maxReserved = 1 << 30
)

// Windows says how large the windows of consumers may be, and is told what they come to: large messages that are granted arrive when the
// broker likes, and wait here if nobody takes them. Its methods are called under a consumer's lock and must not block.
type Windows interface {
	// Allowance is how many bytes one consumer may now have granted and held together.
	Allowance() int
	// Take counts n bytes more, or fewer, beyond the first of each consumer, see freeWindow.
	Take(n int)
}

// unbounded is the [Windows] of a client that was given none.
type unbounded struct{}

func (unbounded) Allowance() int { return math.MaxInt }
func (unbounded) Take(int)       {}

// flows decides how many messages the broker may send. It counts as the broker counts: one for each message of a batch
// which the broker does not know to be acknowledged, whatever becomes of it here. So nothing is lost with what cannot be
// read, and a broker that sends more than it may, as it does with batches, is granted less.
type flows struct {
	out      int64 // what the broker may still send; below 0: it has sent more than it might
	perOne   int32 // about the bytes of one message, maxReserved at most; 0: not known
	reserved int32 // bytes that Options.Windows counts
}

// begin forgets what another connection was granted.
func (f *flows) begin() { f.out = 0 }

// came takes an entry that took n permits and has so many bytes.
func (f *flows) came(n int32, bytes int) {
	f.out -= int64(n)
	if n > 0 {
		// The largest counts, and is forgotten slowly.
		f.perOne = max(int32(min((bytes+entryOverhead)/int(n), maxReserved)), f.perOne-f.perOne/16)
	}
}

// grant is how many more messages the broker is to be granted now, with those of h waiting here, and counts them as granted.
// What a topic does not keep, its broker drops where it may not send it at once: so that is granted before the size of any is known.
func (f *flows) grant(o *ConsumerOptions, windows Windows, h *holding, keeps bool) int {
	held, bytes := h.size()
	n := int64(o.window()) - held
	switch {
	case f.perOne == 0 && keeps:
		if n = min(n, firstWindow); windows.Allowance() < firstWindow*largeMessage {
			n = min(n, 1)
		}
	case f.perOne > 0:
		room := o.windowBytes()
		if room > freeWindow && n*int64(f.perOne)+int64(bytes) > freeWindow {
			room = max(freeWindow, min(room, windows.Allowance()))
		}
		n = min(n, int64(room-bytes)/int64(f.perOne))
	}
	if held == 0 {
		n = max(n, 1)
	}
	if n <= 0 || f.out > n/2 {
		return 0
	}
	n = min(n-f.out, maxGrant)
	f.out += n
	return int(n)
}

// exceeds is by how much more than what is counted the messages that are granted, and bytes that are held, exceed freeWindow, and counts it.
func (f *flows) exceeds(bytes int) int {
	want := min(max(max(f.out, 0)*int64(f.perOne)+int64(bytes)-freeWindow, 0), maxReserved)
	more := int32(want) - f.reserved
	f.reserved += more
	return int(more)
}

// refillLocked grants the broker what it may send more.
func (x *Consumer) refillLocked() {
	if windows := x.client.o.Windows; x.connected && x.state <= consumerOpen {
		keeps := x.keeps()
		for n := x.flows.grant(x.o, windows, x.held, keeps); n > 0; n = x.flows.grant(x.o, windows, x.held, keeps) {
			x.on.flow(x.id, n)
		}
	}
	x.reserveLocked()
}

// reserveLocked counts what is granted and held. It follows whatever changes that.
func (x *Consumer) reserveLocked() {
	if !x.connected || x.state > consumerOpen {
		x.flows.out = 0 // whatever still comes is dropped
	}
	_, held := x.held.size()
	if n := x.flows.exceeds(held + x.parts.size()); n != 0 {
		x.client.o.Windows.Take(n)
	}
}

// holding is what of a consumer waits for permits. It is guarded by Consumer.mu; nil is empty.
type holding struct {
	entries  []*unpacker // oldest first
	messages int64       // in the broker's count
	bytes    int         // of the entries
}

func (h *holding) size() (messages int64, bytes int) {
	if h == nil {
		return 0, 0
	}
	return h.messages, h.bytes
}

// holdLocked keeps an entry, in front of all others or behind them.
func (x *Consumer) holdLocked(u *unpacker, front bool) {
	k := u.keep()
	if x.held == nil {
		x.held = &holding{}
	}
	h := x.held
	h.messages += k.charged
	h.bytes += k.bytes
	if front {
		h.entries = append([]*unpacker{k}, h.entries...)
	} else {
		h.entries = append(h.entries, k)
	}
}

// releaseLocked takes out the oldest.
func (x *Consumer) releaseLocked() {
	h := x.held
	u := h.entries[0]
	h.messages -= u.charged
	h.bytes -= u.bytes
	h.entries[0] = nil // what is behind it may keep the array for long
	h.entries = h.entries[1:]
	if len(h.entries) == 0 {
		x.held = nil
	}
}
