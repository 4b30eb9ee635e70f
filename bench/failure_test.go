//go:build linux

package bench

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/test/port"
)

func TestUnreachable(t *testing.T) {
	_, err := Run(t.Context(), planFor("ws://"+port.Deaf(t).String()), nil)
	if !errors.Is(err, ErrNoSession) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
}

func TestRefused(t *testing.T) {
	f := newFake(t, func(f *fake) {
		f.refuse = func(r *http.Request) (int, string) {
			if strings.Contains(r.URL.Path, "producer") {
				return http.StatusForbidden, `{"reason":"Not authorized"}`
			}
			return 0, ""
		}
	}).start(t, false)
	_, err := Run(t.Context(), planFor(f.target()), nil)
	if !errors.Is(err, ErrNoSession) || !strings.Contains(err.Error(), "producers") || !strings.Contains(err.Error(), "403 Forbidden: Not authorized") {
		t.Errorf("got %v", err)
	}
}

// A server that takes connections and says nothing does not hold the run for ever.
func TestNoAnswer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = Run(t.Context(), planFor("ws://"+ln.Addr().String(), func(p *Plan) { p.OpenTimeout = 50 * time.Millisecond }), nil)
	if !errors.Is(err, ErrNoSession) || !strings.Contains(err.Error(), errNoAnswer.Error()) {
		t.Errorf("got %v", err)
	}
}

// Some sessions that fail do not end the run, but are told.
func TestSomeRefused(t *testing.T) {
	n := 0
	f := newFake(t)
	f.refuse = func(*http.Request) (int, string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if n++; n > 7 {
			return http.StatusServiceUnavailable, "full"
		}
		return 0, ""
	}
	f.start(t, false)
	r := mustRun(t, planFor(f.target(), func(p *Plan) { p.Groups = []Group{{Name: "readers", Kind: Reader, Sessions: 10}} }))
	if r.Sessions.Open != 7 || r.Sessions.Failed != 3 || !r.Faulty() || r.Faults["the server refused the session: 503 Service Unavailable: full"] != 3 {
		t.Errorf("%+v %v", r.Sessions, r.Faults)
	}
}

// Sessions that the server ends are told, and opened again if the plan says so.
func TestDropped(t *testing.T) {
	for _, reconnect := range []time.Duration{0, time.Millisecond} {
		f := newFake(t)
		f.taken = func(n int) {
			if n == 50 {
				for _, g := range f.topics["t-0"].groups {
					for _, c := range g.conns { // what was sent still arrives
						_ = c.ws.NetConn().(*net.TCPConn).CloseWrite()
					}
				}
			}
		}
		f.start(t, false)
		r := mustRun(t, planFor(f.target(), shortDrain, func(p *Plan) { p.Reconnect = reconnect }))
		opened := uint64(2)
		if reconnect > 0 {
			opened++
		}
		if r.Sessions.Dropped != 1 || r.Sessions.Opened != opened || !r.Faulty() {
			t.Errorf("reconnect %v: %+v %v", reconnect, r.Sessions, r.Faults)
		}
		if reconnect == 0 {
			if r.Messages.Lost < 100 {
				t.Errorf("%d lost; the reader missed all but 50", r.Messages.Lost)
			}
			continue
		}
		// A reader goes on behind the last message it got.
		f.mu.Lock()
		last := f.requests[len(f.requests)-1]
		if id := last.URL.Query().Get("messageId"); id != "id49" {
			t.Errorf("the reader went on at %q", id)
		}
		f.mu.Unlock()
	}
}

// When the run is interrupted the results so far are kept.
func TestInterrupted(t *testing.T) {
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.taken = func(n int) {
		if n == 200 {
			cancel()
		}
	}
	f.start(t, false)
	r, err := Run(ctx, planFor(f.target(), func(p *Plan) { p.Duration = time.Hour }), nil)
	if err != nil {
		t.Fatal(err)
	}
	if m := r.Messages; !r.Interrupted || m.Confirmed < 200 || m.Confirmed != uint64(f.count()) || m.Lost > 0 || r.Latency.Publish.Count < 200 {
		t.Errorf("%v %+v", r.Interrupted, m)
	}
}

func TestInterruptedInRampUp(t *testing.T) {
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.refuse = func(*http.Request) (int, string) {
		cancel()
		return 0, ""
	}
	f.start(t, false)
	r, err := Run(ctx, planFor(f.target(), func(p *Plan) { p.RampUp = time.Hour }), nil)
	if err != nil || !r.Interrupted {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestBadPlans(t *testing.T) {
	for want, change := range map[string]func(*Plan){
		"no sessions":      func(p *Plan) { p.Groups = nil },
		"readers: 0":       func(p *Plan) { p.Groups[0].Sessions = 0 },
		"topics":           func(p *Plan) { p.Topics = 0 },
		"window":           func(p *Plan) { p.Window = 0 },
		"rate":             func(p *Plan) { p.Rate = -1 },
		"duration":         func(p *Plan) { p.Duration = 0 },
		"negative":         func(p *Plan) { p.WarmUp = -1 },
		"no command":       func(p *Plan) { p.Processes = 2 },
		"0 processes":      func(p *Plan) { p.Processes = 0 },
		"loops":            func(p *Plan) { p.Loops = 0 },
		"needs 30":         func(p *Plan) { p.Message.Size = 10 },
		"target":           func(p *Plan) { p.Target.URL = "http://localhost" },
		"domain":           func(p *Plan) { p.Target.Domain = "x" },
		"tenant/namespace": func(p *Plan) { p.Target.Namespace = "x" },
		"property/cluster": func(p *Plan) { p.Target.V1 = true },
		"ulimit -n":        func(p *Plan) { p.Groups[0].Sessions = 1 << 30 },
		"process":          func(p *Plan) { p.PIDs = []int{1 << 30} },
	} {
		_, err := Run(t.Context(), planFor("ws://127.0.0.1:1", change), nil)
		if !errors.Is(err, ErrPlan) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

// A receiver that could not be opened before sending began has not lost what was sent
// until it was there.
func TestReceiverThatComesLate(t *testing.T) {
	var taken atomic.Int32
	var late atomic.Bool
	f := newFake(t, func(f *fake) {
		f.taken = func(int) { taken.Add(1) }
		f.refuse = func(r *http.Request) (int, string) {
			if strings.Contains(r.URL.Path, "/reader/") && !late.CompareAndSwap(false, true) && taken.Load() < 20 {
				return http.StatusServiceUnavailable, "not yet"
			}
			return 0, ""
		}
	}).start(t, false)
	r := mustRun(t, planFor(f.target(), func(p *Plan) {
		p.Groups[0].Sessions = 2
		p.Reconnect = 10 * time.Millisecond
	}))
	if r.Sessions.Open != 3 || r.Messages.Lost != 0 || r.Messages.Delivered != r.Messages.Expected || r.Messages.Delivered != r.Messages.Sent {
		t.Errorf("%d sessions are open; %+v", r.Sessions.Open, r.Messages)
	}
}
