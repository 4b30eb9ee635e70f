package pulsar

import "github.com/pulsegate/pulsegate/pulsar/wire"

const (
	// chunkSize is the capacity of a chunk of the outbox.
	chunkSize = 64 << 10
	// byReference is from how many bytes on a payload is not copied.
	byReference = 16 << 10
	// outboxRoom is how many bytes may wait to be written before messages have to
	// wait elsewhere. One message always fits in when nothing else waits.
	outboxRoom = 1 << 20
	// spareChunks is how many chunks that were written are kept: a full outbox.
	spareChunks = outboxRoom/chunkSize + 1
)

// outbox is what waits to be written to a connection: chunks filled with small frames,
// and large payloads between their parts. It has no lock of its own.
type outbox struct {
	full  []part // in front of last
	last  []byte // the chunk that is being filled
	from  int    // where in last that begins which is not in full
	bytes int    // of full and last
	spare [][]byte
}

// part is a piece of what is written.
type part struct {
	b     []byte
	chunk []byte   // to be used again once this is written, else nil
	of    *Message // whose payload this is, else nil
}

// room returns the chunk for n more bytes to be appended to; put gives it back.
func (o *outbox) room(n int) []byte {
	if cap(o.last)-len(o.last) < n {
		o.turn()
	}
	if o.last == nil {
		if k := len(o.spare); k > 0 {
			o.last, o.spare = o.spare[k-1], o.spare[:k-1]
		} else {
			o.last = make([]byte, 0, chunkSize)
		}
	}
	return o.last
}

func (o *outbox) put(b []byte) {
	o.bytes += len(b) - len(o.last)
	o.last = b
}

// turn moves the last chunk to those that are full.
func (o *outbox) turn() {
	if len(o.last) > 0 {
		o.full = append(o.full, part{b: o.last[o.from:], chunk: o.last})
		o.last, o.from = nil, 0
	}
}

// command appends a frame.
func (o *outbox) command(c wire.Command) { o.put(wire.Append(o.room(512), c)) }

// isFull reports that messages have to wait.
func (o *outbox) isFull() bool { return o.bytes >= outboxRoom }

// message appends a SEND frame, unless it is longer than limit bytes. of is the message whose payload it has; nil: it is nobody's
// to use again.
func (o *outbox) message(c *wire.Send, m *wire.Metadata, payload []byte, of *Message, limit int) bool {
	small := len(payload) < byReference
	n := 512
	if small {
		n += len(payload)
	}
	before := o.room(n)
	b := wire.AppendSendHead(before, c, m, payload)
	if len(b)-len(before)-4+len(payload) > limit {
		return false
	}
	if small {
		o.put(append(b, payload...))
		return true
	}
	o.put(b)
	if of != nil {
		of.read()
	}
	o.full = append(o.full, part{b: b[o.from:len(b):len(b)]}, part{b: payload, of: of})
	o.from = len(b)
	o.bytes += len(payload)
	return true
}

// take takes all there is. parts is where to put it.
func (o *outbox) take(parts []part) []part {
	o.turn()
	parts, o.full = o.full, parts[:0]
	o.bytes = 0
	return parts
}

// recycle keeps the chunks of what was written, and reads its payloads no more.
func (o *outbox) recycle(parts []part) {
	for i, p := range parts {
		if p.of != nil {
			p.of.unread()
		}
		if p.chunk != nil && cap(p.chunk) <= 4*chunkSize && len(o.spare) < spareChunks {
			o.spare = append(o.spare, p.chunk[:0])
		}
		parts[i] = part{}
	}
}
