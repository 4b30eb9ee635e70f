//go:build linux

package bench

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// Sessions that are only there change nothing for those that talk.
func TestIdleProducersApart(t *testing.T) {
	f := newFake(t).start(t, false)
	r := mustRun(t, planFor(f.target(), func(p *Plan) {
		p.Groups = append([]Group{
			{Name: "idle", Kind: Producer, Sessions: 60, Idle: true, Apart: true},
			{Name: "idle readers", Kind: Reader, Sessions: 5, Apart: true},
		}, p.Groups...)
	}))
	m := r.Messages
	if n := r.Latency.Publish.Count; n < 195 || n > 205 || m.Delivered != m.Confirmed || m.Expected != m.Confirmed || r.Faulty() {
		t.Errorf("%d latencies, %+v", n, m)
	}
	if f.topics["t-apart-0"] == nil {
		t.Error("the idle ones are not on a topic of their own")
	}
}

func TestBacklog(t *testing.T) {
	f := newFake(t).start(t, false)
	r := mustRun(t, planFor(f.target(), func(p *Plan) {
		p.Backlog, p.Topics, p.Duration = 1000, 2, 20*time.Second
		p.Groups = []Group{
			{Name: "consumers", Kind: Consumer, Sessions: 4, Subscription: "s", Subscriptions: 1, Params: url.Values{"subscriptionInitialPosition": {"Earliest"}}},
			{Name: "readers", Kind: Reader, Sessions: 2, Params: url.Values{"messageId": {"earliest"}}},
		}
	}))
	m := r.Messages
	if m.Delivered != 2000 || m.Lost != 0 || r.Faulty() || f.count() != 1000 || r.Latency.EndToEnd.Count != 0 {
		t.Errorf("%+v", m)
	}
}

// Sessions with a lifetime come and go, and none is taken for a failure.
func TestLifetime(t *testing.T) {
	f := newFake(t).start(t, false)
	r := mustRun(t, planFor(f.target(), func(p *Plan) {
		p.Duration = 2 * time.Second // in which each could end forty times, where two are enough
		p.Groups = []Group{{Name: "idle", Kind: Consumer, Sessions: 10, Subscription: "s", Subscriptions: 1, Lifetime: 50 * time.Millisecond}}
	}))
	if s := r.Sessions; s.Ended < 20 || s.Opened < s.Ended || r.Faulty() || s.ChurnSec <= 0 {
		t.Errorf("%+v %v", s, r.Faults)
	}
}

// A slow reader gets less, which is no loss, and does not hold up the others.
func TestSlowReader(t *testing.T) {
	f := newFake(t).start(t, false)
	r := mustRun(t, planFor(f.target(), shortDrain, func(p *Plan) {
		p.Groups = append(p.Groups, Group{Name: "slow", Kind: Reader, Sessions: 1, SlowBytes: 1})
	}))
	m := r.Messages
	if m.Delivered != m.Confirmed || m.Lost != 0 || m.Received >= 2*m.Confirmed || m.Received <= m.Confirmed || r.Faulty() {
		t.Errorf("%+v", m)
	}
}

func TestPullMode(t *testing.T) {
	f := newFake(t).start(t, false)
	r := mustRun(t, planFor(f.target(), func(p *Plan) {
		p.Groups[0] = Group{Name: "consumers", Kind: Consumer, Sessions: 1, Subscription: "s", Permits: 20, NoAck: true}
	}))
	f.settle()
	// After the first 20 permits there are 20 more for each 10 that came… to keep
	// between 10 and 30 open, one frame for each 20 messages.
	want := int(r.Messages.Received/20) + 1
	if n := len(f.commands); n < want-1 || n > want+1 || f.commands[0] != `{"type":"permit","permitMessages":20}` || f.acks != 0 {
		t.Errorf("%d commands for %d messages, %d acknowledgements", n, r.Messages.Received, f.acks)
	}
}

// The handshake says what it was told to.
func TestRequest(t *testing.T) {
	f := newFake(t).start(t, false)
	mustRun(t, planFor(f.target()+"/pulsar", func(p *Plan) {
		p.Target.V1, p.Target.Namespace, p.Target.Token = true, "prop/cl/ns", "secret"
		p.Target.Params = url.Values{"x": {"1 2"}}
		p.Groups = []Group{{Name: "idle", Kind: Consumer, Sessions: 1, Subscription: "a/b", Params: url.Values{"subscriptionType": {"Shared"}}}}
	}))
	f.settle()
	r := f.requests[0]
	if got := r.URL.EscapedPath() + "?" + r.URL.RawQuery; got != "/pulsar/ws/consumer/persistent/prop/cl/ns/t-0/a%2Fb-0?subscriptionType=Shared&x=1+2" {
		t.Errorf("got %s", got)
	}
	if r.Header.Get("Authorization") != "Bearer secret" {
		t.Errorf("got %v", r.Header)
	}
}

func TestTLS(t *testing.T) {
	f := newFake(t).start(t, true)
	trusting := func(p *Plan) {
		p.Target.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	}
	r := mustRun(t, planFor(f.target(), trusting))
	if m := r.Messages; m.Delivered != m.Confirmed || m.Confirmed == 0 || r.Faulty() {
		t.Errorf("%+v %v", m, r.Faults)
	}
	_, err := Run(t.Context(), planFor(f.target()), nil)
	if !errors.Is(err, ErrNoSession) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
}

// A server that compresses is understood.
func TestDeflate(t *testing.T) {
	f := newFake(t).start(t, false)
	r := mustRun(t, planFor(f.target(), func(p *Plan) { p.Target.Deflate, p.Message.Size = true, 5000 }))
	if m := r.Messages; m.Delivered != m.Confirmed || r.Faulty() {
		t.Errorf("%+v %v", m, r.Faults)
	}
	if plain := float64(r.Messages.Delivered) * 5000; r.Rates.BytesIn*r.Seconds > plain {
		t.Error("nothing was compressed")
	}
}

// The costs of a process are read: here our own.
func TestCosts(t *testing.T) {
	f := newFake(t, func(f *fake) {
		f.taken = func(int) { // processor time is told in ticks of 10 ms, which little work may all fall between
			for begin := time.Now(); time.Since(begin) < time.Millisecond; {
			}
		}
	}).start(t, false)
	r := mustRun(t, planFor(f.target(), func(p *Plan) { p.PIDs = []int{os.Getpid()} }))
	s := r.Server
	if s == nil || s.CPUSeconds <= 0 || s.MemoryEnd <= 0 || s.PublishedPerCPU <= 0 || s.Threads == 0 || s.Trouble != "" {
		t.Errorf("%+v", s)
	}
	if r.Generator.Cores <= 0 || r.Generator.BusiestLoop <= 0 {
		t.Errorf("%+v", r.Generator)
	}
}

func TestScrapedCosts(t *testing.T) {
	f := newFake(t, func(f *fake) {
		cpu := 0.0
		f.refuse = func(r *http.Request) (int, string) {
			if r.URL.Path != "/metrics" {
				return 0, ""
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			cpu += 0.5
			return http.StatusOK, fmt.Sprintf("process_cpu_seconds_total %v\nprocess_resident_memory_bytes 1e6\ngo_goroutines 33\n", cpu)
		}
	}).start(t, false)
	r := mustRun(t, planFor(f.target(), func(p *Plan) { p.Scrape = []string{f.URL + "/metrics"} }))
	s := r.Server
	if s == nil || s.CPUSeconds < 0.5 || s.MemoryEnd != 1e6 || s.Metrics["go_goroutines"].Value != 33 || s.Metrics["process_cpu_seconds_total"].Grown <= 0 {
		t.Errorf("%+v", s)
	}
}
