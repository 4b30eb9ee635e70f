//go:build pulsar && linux

package attack

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/bench/wire"
	"github.com/pulsegate/pulsegate/test/child"
)

// envHostile makes this test binary the attackers of the attack that it names.
const envHostile = "PULSEGATE_TEST_HOSTILE"

// niceness of the attackers: what they do takes time only that nobody else wants.
const niceness = "10"

// order is what attackers are told.
type order struct {
	Attack  string
	Addr    string // of the gateway
	Topics  string // where to make topics, such as persistent/public/default
	Backlog string // a topic with many large messages
}

// outcome is what they tell in the end.
type outcome struct {
	Did, Refused int64
	Reason       string // of the last refusal
	Error        string // why the attack could not go on, or what the gateway must not have done
}

// hostile is what the functions of an attack work with, in the process of the attackers.
type hostile struct {
	order
	ctx     context.Context // ends with the attack
	started chan struct{}   // closed when the attack is to begin
	ready   func()          // tells that everything is prepared, once

	did, refused atomic.Int64

	mu     sync.Mutex
	conns  map[net.Conn]bool // the open ones
	reason string
	failed error // what must not happen, the first of it
}

// begin is called by each attack, when what it needs is open, and returns when it is to begin.
func (h *hostile) begin() {
	h.ready()
	select {
	case <-h.started:
	case <-h.ctx.Done():
	}
}

// ended reports whether the attack is over.
func (h *hostile) ended() bool { return h.ctx.Err() != nil }

// refuse takes note of something the gateway did not take.
func (h *hostile) refuse(err error) {
	if h.ended() {
		return
	}
	h.refused.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reason = err.Error()
}

// fail takes note of something that the gateway must not have done.
func (h *hostile) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failed == nil {
		h.failed = err
	}
}

// dial connects. The connection is closed when the attack ends.
func (h *hostile) dial() (net.Conn, error) {
	nc, err := (&net.Dialer{}).DialContext(h.ctx, "tcp", h.Addr)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended() {
		nc.Close()
		return nil, h.ctx.Err()
	}
	h.conns[nc] = true
	return nc, nil
}

// drop ends a connection with a reset, as a client that crashes does.
func (h *hostile) drop(nc net.Conn) {
	_ = nc.(*net.TCPConn).SetLinger(0)
	nc.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, nc)
}

// open opens a session. What comes behind the answer to the handshake stays unread in r.
func (h *hostile) open(target string, lines ...string) (nc net.Conn, r *bufio.Reader, err error) {
	if nc, err = h.dial(); err != nil {
		return nil, nil, err
	}
	if _, err = nc.Write(wire.AppendUpgrade(nil, h.Addr, target, lines...)); err != nil {
		h.drop(nc)
		return nil, nil, err
	}
	r = bufio.NewReaderSize(nc, 4<<10)
	status, err := r.ReadString('\n')
	if err == nil && !strings.HasPrefix(status, "HTTP/1.1 101 ") {
		rest, _ := io.ReadAll(io.LimitReader(r, 4<<10))
		_, body, _ := strings.Cut(string(rest), "\r\n\r\n")
		err = fmt.Errorf("%s %s", strings.TrimSpace(status), body)
	}
	for line := ""; err == nil && line != "\r\n"; {
		line, err = r.ReadString('\n')
	}
	if err != nil {
		h.drop(nc)
		return nil, nil, err
	}
	return nc, r, nil
}

// pause lasts for d, or until the attack ends.
func (h *hostile) pause(d time.Duration) {
	select {
	case <-h.ctx.Done():
	case <-time.After(d):
	}
}

// each calls f on n goroutines, again and again until the attack ends, and waits for them. A call that ends with an error
// counts as refused.
func (h *hostile) each(n int, f func(i int) error) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for !h.ended() {
				if err := f(i); err != nil {
					h.refuse(err)
					h.pause(20 * time.Millisecond) // so that refusals are not an attack of another kind
				}
			}
		})
	}
	all.Wait()
}

// sender makes the n-th frame or request of a connection and appends it to dst.
type sender func(dst []byte, n uint64) []byte

// chunk is how much is written at a time.
const chunk = 64 << 10

// flood writes what s makes until the connection or the attack ends.
func (h *hostile) flood(nc net.Conn, s sender) error {
	var buf []byte
	for n := uint64(0); !h.ended(); {
		buf = buf[:0]
		from := n
		for ; len(buf) < chunk; n++ {
			buf = s(buf, n)
		}
		if _, err := nc.Write(buf); err != nil {
			return err
		}
		h.did.Add(int64(n - from))
	}
	return nil
}

// stream is a session that is flooded.
type stream struct {
	target string
	lines  []string // further lines of its request
	send   sender
	unread bool // what the gateway answers is not read
}

// floods begins the attack and opens and floods sessions; one that is closed is opened again.
func (h *hostile) floods(streams ...stream) {
	h.begin()
	h.each(len(streams), func(i int) error {
		s := streams[i]
		nc, r, err := h.open(s.target, s.lines...)
		if err != nil {
			return err
		}
		defer h.drop(nc)
		var last lastFrame
		var reader sync.WaitGroup
		if !s.unread {
			reader.Go(func() { last.read(r) })
		}
		err = h.flood(nc, s.send)
		_ = nc.SetReadDeadline(time.Now().Add(time.Second)) // for the reason, when it was closed
		reader.Wait()
		if last.closing != "" {
			return fmt.Errorf("closed: %s", last.closing)
		}
		return err
	})
}

// lastFrame reads a server's frames for the reason of its close frame.
type lastFrame struct {
	in      wire.Reader
	closing string
}

func (l *lastFrame) read(r io.Reader) {
	buf := make([]byte, chunk)
	for {
		n, err := r.Read(buf)
		if n > 0 && l.in.Feed(buf[:n], l) != nil || err != nil {
			l.in.Release()
			return
		}
	}
}

// Message implements [wire.Handler].
func (l *lastFrame) Message([]byte) {}

// Ping implements [wire.Handler].
func (l *lastFrame) Ping([]byte) {}

// Closed implements [wire.Handler].
func (l *lastFrame) Closed(code uint16, reason string) {
	l.closing = fmt.Sprintf("%d %s", code, reason)
}

// serveHostile is the process of the attackers: it prepares the attack, writes a line, begins it when it reads one, and ends
// it when there is nothing more to read. Then it tells the outcome.
func serveHostile(name string) {
	ctx, cancel := context.WithCancel(context.Background())
	h := &hostile{ctx: ctx, started: make(chan struct{}), conns: map[net.Conn]bool{}}
	h.ready = sync.OnceFunc(func() { fmt.Println("ready") })
	in := bufio.NewReader(os.Stdin)
	var out outcome
	line, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &h.order)
	}
	i := find(name)
	if err != nil || i < 0 {
		fmt.Fprintf(os.Stderr, "attack %q: %v\n", name, err)
		os.Exit(2)
	}
	go func() {
		if _, err := in.ReadBytes('\n'); err == nil {
			close(h.started)
			_, _ = in.ReadBytes('\n')
		}
		cancel()
		h.mu.Lock()
		defer h.mu.Unlock()
		for nc := range h.conns {
			nc.Close()
		}
	}()
	if err := attacks[i].run(h); err != nil {
		h.fail(err)
	}
	h.ready()
	<-ctx.Done()
	if h.failed != nil {
		out.Error = h.failed.Error()
	}
	out.Did, out.Refused, out.Reason = h.did.Load(), h.refused.Load(), h.reason
	_ = json.NewEncoder(os.Stdout).Encode(out)
}

// attackers is the process of the attackers, as the test sees it.
type attackers struct {
	cmd    *exec.Cmd
	wait   func() error
	in     io.WriteCloser
	out    *bufio.Reader
	errors strings.Builder
}

// startAttackers returns once they are ready to begin.
func startAttackers(o order) (*attackers, error) {
	a := &attackers{cmd: exec.Command("nice", "-n", niceness, os.Args[0])}
	a.cmd.Env = append(os.Environ(), envHostile+"="+o.Attack)
	a.cmd.Stderr = &a.errors
	var err error
	if a.in, err = a.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	a.out = bufio.NewReader(out)
	if a.wait, err = child.Start(a.cmd); err != nil {
		return nil, err
	}
	if err := json.NewEncoder(a.in).Encode(o); err != nil {
		return nil, errors.Join(err, a.kill())
	}
	if line, err := a.out.ReadString('\n'); err != nil || line != "ready\n" {
		return nil, errors.Join(fmt.Errorf("the attackers say %q instead of that they are ready: %w", line, err), a.kill())
	}
	return a, nil
}

// begin lets them begin.
func (a *attackers) begin() error {
	_, err := io.WriteString(a.in, "go\n")
	return err
}

// end makes them leave and returns what they did.
func (a *attackers) end() (outcome, error) {
	var o outcome
	a.in.Close()
	kill := time.AfterFunc(patience, func() { _ = a.cmd.Process.Kill() })
	defer kill.Stop()
	err := json.NewDecoder(a.out).Decode(&o)
	if ended := a.wait(); ended != nil {
		err = errors.Join(err, ended)
	}
	if err != nil {
		return o, fmt.Errorf("the attackers: %w\n%s", err, a.errors.String())
	}
	if o.Error != "" {
		return o, errors.New(o.Error)
	}
	return o, nil
}

// kill ends them at once.
func (a *attackers) kill() error {
	_ = a.cmd.Process.Kill()
	err := a.wait()
	return fmt.Errorf("%w\n%s", err, a.errors.String())
}
