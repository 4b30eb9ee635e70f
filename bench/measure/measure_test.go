package measure

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

func TestSequence(t *testing.T) {
	for _, tc := range []struct {
		name                         string
		came                         []uint64
		sent                         uint64
		seen, repeats, missing, lost uint64
	}{
		{"all", []uint64{0, 1, 2, 3}, 4, 4, 0, 0, 0},
		{"nothing", nil, 3, 0, 0, 0, 3},
		{"a gap", []uint64{0, 3, 4}, 5, 3, 0, 2, 2},
		{"the last", []uint64{0, 1}, 5, 2, 0, 0, 3},
		{"out of order", []uint64{2, 0, 1, 3}, 4, 4, 0, 0, 0},
		{"from the middle of a gap", []uint64{0, 5, 2}, 6, 3, 0, 3, 3},
		{"repeated", []uint64{0, 0, 1, 3, 3, 0}, 4, 3, 3, 1, 1},
		{"repeated after a gap was filled", []uint64{0, 2, 1, 1}, 3, 3, 1, 0, 0},
	} {
		var s Sequence
		for _, seq := range tc.came {
			s.Saw(seq)
		}
		got := []uint64{s.Seen(), s.Repeats(), s.Missing(), s.Lost(tc.sent, nil)}
		want := []uint64{tc.seen, tc.repeats, tc.missing, tc.lost}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: seen, repeats, missing, lost are %v, want %v", tc.name, got, want)
		}
	}
}

// A sequence counts as a plain set of numbers does.
func TestSequenceAgainstASet(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var s Sequence
		set := map[uint64]bool{}
		var repeats uint64
		for range 300 {
			seq := rnd.Uint64N(100)
			if fresh := s.Saw(seq); fresh == set[seq] {
				t.Fatalf("seed %d: %d fresh: %v", seed, seq, fresh)
			}
			if set[seq] {
				repeats++
			}
			set[seq] = true
		}
		var excused []uint64
		var lost uint64
		for seq := range uint64(120) {
			if s.Has(seq) != set[seq] {
				t.Fatalf("seed %d: has %d: %v", seed, seq, s.Has(seq))
			}
			if seq%3 == 0 {
				excused = append(excused, seq)
			} else if !set[seq] {
				lost++
			}
		}
		behind := uint64(0)
		for seq := s.next; seq < 120; seq++ {
			if !slices.Contains(excused, seq) {
				behind++
			}
		}
		if got := s.Behind(120, excused); got != behind {
			t.Fatalf("seed %d: %d behind the last, want %d", seed, got, behind)
		}
		if s.Seen() != uint64(len(set)) || s.Repeats() != repeats || s.Lost(120, excused) != lost {
			t.Fatalf("seed %d: %d seen, %d repeats, %d lost; want %d, %d, %d", seed, s.Seen(), s.Repeats(), s.Lost(120, excused), len(set), repeats, lost)
		}
	}
}

func TestSequenceFromTheMiddle(t *testing.T) {
	var s Sequence
	for _, seq := range []uint64{100, 102} {
		s.Begin(seq)
		s.Saw(seq)
	}
	if s.Missing() != 1 || s.Has(50) || s.Has(99) {
		t.Errorf("%d missing", s.Missing())
	}
	// One that was overtaken by what came first is new, once.
	if !s.Saw(50) || s.Saw(50) || !s.Has(50) || s.Missing() != 1 || s.Seen() != 3 || s.Repeats() != 1 {
		t.Errorf("%d missing, %d seen, %d repeats", s.Missing(), s.Seen(), s.Repeats())
	}
}

// What several have seen of a source is put together as if one had seen it all.
func TestUnion(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		parts, times := make([]Sequence, 3), map[uint64]int{}
		for range r.IntN(150) {
			seq := r.Uint64N(100)
			if parts[r.IntN(3)].Saw(seq) {
				times[seq]++
			}
		}
		var spans [][]Span
		for i := range parts {
			spans = append(spans, parts[i].Spans())
		}
		all := Union(spans...)
		repeats := uint64(0)
		for seq := range uint64(100) {
			if all.Has(seq) != (times[seq] > 0) {
				t.Fatalf("seed %d: %d", seed, seq)
			}
			repeats += uint64(max(times[seq]-1, 0))
		}
		if all.Seen() != uint64(len(times)) || all.Repeats() != repeats || all.Lost(100, nil) != 100-uint64(len(times)) {
			t.Fatalf("seed %d: %d seen, %d repeats; want %d, %d", seed, all.Seen(), all.Repeats(), len(times), repeats)
		}
	}
}

func TestLatencyToOtherProcess(t *testing.T) {
	a, b := NewLatency(), &Latency{}
	for i := range int64(1000) {
		a.Record(i * int64(time.Millisecond))
	}
	text, err := a.GobEncode()
	if err == nil {
		err = b.GobDecode(text)
	}
	if err != nil || b.Percentiles() != a.Percentiles() {
		t.Errorf("%v, %+v", err, b.Percentiles())
	}
}

func TestSources(t *testing.T) {
	var m Sources[int]
	for round := range 3 {
		for i := range uint32(50) {
			v := m.Get(Source{1, i})
			if *v != round {
				t.Fatalf("source %d has %d in round %d", i, *v, round)
			}
			*v++
		}
	}
	n := 0
	m.Each(func(Source, *int) { n++ })
	if n != 50 {
		t.Errorf("%d sources", n)
	}
}

func TestLatency(t *testing.T) {
	a, b := NewLatency(), NewLatency()
	for i := range 1000 {
		a.Record(int64(i+1) * int64(time.Millisecond))
	}
	b.Record(-5)
	b.Record(int64(100 * time.Hour))
	p := a.Percentiles()
	for _, c := range []struct{ got, want float64 }{{p.P50, 500}, {p.P99, 990}, {p.P999, 999}, {p.Max, 1000}, {p.Mean, 500.5}} {
		if c.got < c.want*0.998 || c.got > c.want*1.002 {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
	a.Add(b)
	if a.Count() != 1002 || a.Percentiles().Max < 3.59e6 {
		t.Errorf("%+v", a.Percentiles())
	}
	points := a.Distribution()
	if last := points[len(points)-1]; last.Percent != 100 {
		t.Errorf("the distribution ends at %v", last)
	}
	a.Reset()
	if a.Percentiles() != (Percentiles{}) || a.Distribution() != nil {
		t.Error("not empty after Reset")
	}
}

func TestScrape(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, "# HELP a b\na{x=\"}\"} 1\na{x=\"2\"} 2.5 1700000000\ngo_goroutines 12\nh_bucket{le=\"1\"} 5\nbroken{\nempty\n")
	}))
	defer s.Close()
	got, err := Scrape(t.Context(), s.URL+"/metrics")
	if err != nil || fmt.Sprint(got) != "map[a:3.5 go_goroutines:12]" {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := Scrape(t.Context(), s.URL); err == nil {
		t.Error("no error for a page that is not there")
	}
}
