//go:build linux

package bench

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// once makes a plan one of a single message to five readers.
func once(p *Plan) {
	p.Once, p.Rate, p.Topics = true, 0, 1
	p.Groups = []Group{{Name: "readers", Kind: Reader, Sessions: 5}, {Name: "producers", Kind: Producer, Sessions: 1}}
}

// One message comes when the measurement is over, however many processes there are.
func TestOnce(t *testing.T) {
	for _, more := range []func(*Plan){func(*Plan) {}, spread(t, "serve", 2)} {
		f := newFake(t).start(t, false)
		r := mustRun(t, planFor(f.target(), once, more))
		m := r.Messages
		if m.Sent != 1 || m.Confirmed != 1 || m.Expected != 5 || m.Delivered != 5 || r.Faulty() || m.Unsent > 0 {
			t.Errorf("%+v %v", m, r.Faults)
		}
		if r.Latency.EndToEnd.Count != 5 || r.Latency.Publish.Count != 1 {
			t.Errorf("latencies of %d receipts and %d confirmations", r.Latency.EndToEnd.Count, r.Latency.Publish.Count)
		}
		sentIn := slices.IndexFunc(r.Series, func(s Second) bool { return s.Received > 0 })
		if sentIn < 0 || r.Series[sentIn].Phase != "drain" || r.Rates.Received > 0 {
			t.Errorf("it came in second %d of %+v", sentIn, r.Series)
		}
		f.settle()
	}
}

// With few handshakes at a time a server that says nothing is given up long before fifty of them
// have timed out.
func TestSilence(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	p := planFor("ws://"+ln.Addr().String(), func(p *Plan) {
		p.Groups = []Group{{Name: "readers", Kind: Reader, Sessions: 100}}
		p.Opening, p.Loops, p.OpenTimeout = 1, 1, 5*time.Millisecond
	})
	if err := p.Target.resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := newRun(&p, 1, nil, wallClock(), alone)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	<-r.ramp()
	if failed := r.tallies()[0].Failed; failed != silentRounds {
		t.Errorf("given up after %d", failed)
	}
}

func TestLimits(t *testing.T) {
	enough := limits{sessions: 1_000_000, ends: 2, files: 1000, maxFiles: 2_466_177, maxTracked: 262_144, available: 20 << 30}
	for _, c := range []struct {
		name   string
		change func(*limits)
		says   string // "": all is well
	}{
		{"enough", func(*limits) {}, ""},
		{"files", func(l *limits) { l.maxFiles = 2_000_000 }, "fs.file-max"},
		{"files of root", func(l *limits) { l.maxFiles, l.root = 2_000_000, true }, ""},
		{"a firewall", func(l *limits) { l.tracked = 1 }, "net.netfilter.nf_conntrack_max"},
		{"memory", func(l *limits) { l.available = 4 << 30 }, "4.0 GiB left"},
		{"nothing known", func(l *limits) { *l = limits{sessions: 1_000_000, ends: 2} }, ""},
	} {
		l := enough
		c.change(&l)
		err := l.check()
		if c.says == "" && err != nil || c.says != "" && (!errors.Is(err, ErrPlan) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

// What many sessions take of the kernel is told, what few take is not.
func TestKernel(t *testing.T) {
	f := newFake(t).start(t, false)
	many := mustRun(t, planFor(f.target(), once, func(p *Plan) { p.Groups[0].Sessions = manySessions }))
	if k := many.Kernel; k == nil || k.Sockets < 2*manySessions || k.Available <= 0 {
		t.Errorf("got %+v", many.Kernel)
	}
	f.settle()
	if few := mustRun(t, planFor(f.target(), once)); few.Kernel != nil {
		t.Errorf("got %+v", few.Kernel)
	}
}
