package measure

import (
	"cmp"
	"slices"
)

// Source names a sender of numbered messages: the run it belongs to and its
// number in it.
type Source struct{ Run, Sender uint32 }

// Sequence checks which of the messages 0, 1, 2, … of one source came. The zero
// Sequence has seen none. It remembers only what is missing.
type Sequence struct {
	next    uint64 // all below came, but for the gaps
	gaps    []gap  // ascending, apart from each other
	begun   bool
	first   uint64          // where it begins: 0, or what came first when that is unknown
	early   map[uint64]bool // those below first that came; at most maxEarly
	seen    uint64
	repeats uint64
}

// maxEarly bounds what is remembered of messages that came late, from before the
// beginning of a sequence that began in the middle.
const maxEarly = 10_000

// gap is what is missing: from, up to but without to.
type gap struct{ from, to uint64 }

// Begin makes the first message that comes the beginning of the sequence, for
// sources that were sending before.
func (s *Sequence) Begin(seq uint64) {
	if !s.begun {
		s.begun, s.next, s.first = true, seq, seq
	}
}

// Saw takes note of a message. It reports false for one that came before.
func (s *Sequence) Saw(seq uint64) bool {
	s.begun = true
	if seq < s.first && !s.early[seq] {
		// Sent before what came first, which does not say that it came before.
		if s.early == nil {
			s.early = map[uint64]bool{}
		}
		if len(s.early) < maxEarly {
			s.early[seq] = true
		}
		s.seen++
		return true
	}
	if seq < s.first || seq < s.next && !s.fill(seq) {
		s.repeats++
		return false
	}
	s.seen++
	if seq >= s.next {
		if seq > s.next {
			s.gaps = append(s.gaps, gap{s.next, seq})
		}
		s.next = seq + 1
	}
	return true
}

// find returns the place of the gap that seq is in.
func (s *Sequence) find(seq uint64) (int, bool) {
	i, _ := slices.BinarySearchFunc(s.gaps, seq, func(g gap, seq uint64) int {
		if g.to <= seq {
			return -1
		}
		return 1
	})
	return i, i < len(s.gaps) && s.gaps[i].from <= seq
}

// fill takes seq out of the gaps. It reports false when it is in none.
func (s *Sequence) fill(seq uint64) bool {
	i, ok := s.find(seq)
	if !ok {
		return false
	}
	switch g := &s.gaps[i]; {
	case g.from == seq && g.to == seq+1:
		s.gaps = slices.Delete(s.gaps, i, i+1)
	case g.from == seq:
		g.from++
	case g.to == seq+1:
		g.to--
	default:
		s.gaps = slices.Insert(s.gaps, i+1, gap{seq + 1, g.to})
		s.gaps[i].to = seq
	}
	return true
}

// Has reports whether message seq came.
func (s *Sequence) Has(seq uint64) bool {
	if seq < s.first || seq >= s.next {
		return s.early[seq]
	}
	_, missing := s.find(seq)
	return !missing
}

// Seen is the number of different messages that came.
func (s *Sequence) Seen() uint64 { return s.seen }

// Repeats is the number of messages that came again.
func (s *Sequence) Repeats() uint64 { return s.repeats }

// Missing is the number of messages missing before the last that came.
func (s *Sequence) Missing() uint64 {
	var n uint64
	for _, g := range s.gaps {
		n += g.to - g.from
	}
	return n
}

// Lost is the number of messages missing among the first sent ones, not
// counting the excused ones, which are different numbers in any order.
func (s *Sequence) Lost(sent uint64, excused []uint64) uint64 {
	var n uint64
	for _, g := range s.gaps {
		if g.from < sent {
			n += min(g.to, sent) - g.from
		}
	}
	if s.next < sent {
		n += sent - s.next
	}
	for _, seq := range excused {
		if seq < sent && !s.Has(seq) {
			n--
		}
	}
	return n
}

// Behind is the number of messages missing behind the last that came, of those
// that Lost counts.
func (s *Sequence) Behind(sent uint64, excused []uint64) uint64 {
	if s.next >= sent {
		return 0
	}
	n := sent - s.next
	for _, seq := range excused {
		if seq >= s.next && seq < sent {
			n--
		}
	}
	return n
}

// Span is messages that came, from one number up to but without another.
type Span struct{ From, To uint64 }

// Spans are the messages that came, ascending.
func (s *Sequence) Spans() []Span {
	var spans []Span
	from := s.first
	for _, g := range s.gaps {
		if g.from > from {
			spans = append(spans, Span{from, g.from})
		}
		from = g.to
	}
	if s.next > from {
		spans = append(spans, Span{from, s.next})
	}
	return spans
}

// Union makes one sequence, beginning at 0, of what several have seen. What more
// than one has seen counts as a repeat.
func Union(parts ...[]Span) *Sequence {
	all := slices.Concat(parts...)
	slices.SortFunc(all, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	s := &Sequence{begun: true}
	for _, p := range all {
		if p.From < s.next {
			twice := min(p.To, s.next) - p.From
			s.repeats += twice
			p.From += twice
		}
		if p.From == p.To {
			continue
		}
		if p.From > s.next {
			s.gaps = append(s.gaps, gap{s.next, p.From})
		}
		s.seen += p.To - p.From
		s.next = p.To
	}
	return s
}

// Sources keeps a T for each source. The zero value is empty. Most receivers
// hear from few sources, which a list serves best; there is an index for more.
type Sources[T any] struct {
	list  []entry[T]
	index map[Source]int
	last  int
}

type entry[T any] struct {
	key   Source
	value T
}

// indexFrom is how long the list may get without an index.
const indexFrom = 8

// Get returns the T of a source, a zero one at first. The pointer is valid until
// the next Get.
func (m *Sources[T]) Get(key Source) *T {
	if m.last < len(m.list) && m.list[m.last].key == key {
		return &m.list[m.last].value
	}
	i := -1
	if m.index != nil {
		if at, ok := m.index[key]; ok {
			i = at
		}
	} else {
		i = slices.IndexFunc(m.list, func(e entry[T]) bool { return e.key == key })
	}
	if i < 0 {
		i = len(m.list)
		m.list = append(m.list, entry[T]{key: key})
		m.reindex(key, i)
	}
	m.last = i
	return &m.list[i].value
}

func (m *Sources[T]) reindex(key Source, i int) {
	switch {
	case m.index != nil:
		m.index[key] = i
	case len(m.list) > indexFrom:
		m.index = make(map[Source]int, 2*len(m.list))
		for j := range m.list {
			m.index[m.list[j].key] = j
		}
	}
}

// Each calls f for every source.
func (m *Sources[T]) Each(f func(Source, *T)) {
	for i := range m.list {
		f(m.list[i].key, &m.list[i].value)
	}
}
