//go:build pulsar && linux

package attack

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulsegate/pulsegate/bench/measure"
	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

// attack is one attack.
type attack struct {
	name string
	// connections is how many hostile ones are open at the same time, at most.
	connections int
	// run is the attack, in the process of the attackers. It calls begin, and ends when the attack does.
	run func(*hostile) error

	broker bool              // it needs a real one
	loads  bool              // it sends the broker more than others do: whoever brings it, the broker has to bear it
	hung   bool              // the broker is stopped meanwhile
	opens  bool              // it opens sessions all the time, which no one can tell from the victims' new ones: those are not judged
	large  bool              // it needs the topic with large messages
	asks   bool              // it only asks, so that the broker is to have next to nothing of it
	tokens bool              // clients have to log in
	conf   map[string]string // added to the gateway's configuration
	last   time.Duration     // how long it lasts; 0: attackFor
}

// attacks are all of them. Each file below describes some.
var attacks = slices.Concat(numberAttacks, commandAttacks, memoryAttacks, frameAttacks, deflateAttacks, httpAttacks, loginAttacks, sessionAttacks)

func find(name string) int {
	return slices.IndexFunc(attacks, func(a attack) bool { return a.name == name })
}

// How long the phases of a round last.
const (
	warmFor   = 300 * time.Millisecond
	quietFor  = 900 * time.Millisecond
	attackFor = 1500 * time.Millisecond
	restFor   = patience // at most, until what the attackers have cost is given back
)

// maxData bounds the memory of the gateway's process, so that an attack that takes more ends it and not the machine.
const maxData = 2 << 30

func TestMain(m *testing.M) {
	if name := os.Getenv(envHostile); name != "" {
		serveHostile(name)
		return
	}
	pulsar.Main(m)
}

// TestAttacks carries all attacks out, one after the other, each on a gateway of its own, and prints what they did. Those
// for which the broker matters share one.
func TestAttacks(t *testing.T) {
	var lines []string
	// The gateways that nobody attacks. Where the broker bears an attack, whichever gateway brings it, there is one in
	// front of the same broker.
	calm := map[bool]*victims{}
	beside := func(broker bool) *victims {
		if calm[broker] == nil {
			s := newSite(t, &attack{broker: broker})
			v, err := startVictims(s.addr, s.topics+"/victims", "")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(v.close)
			calm[broker] = v
		}
		return calm[broker]
	}
	for _, a := range attacks {
		t.Run(strings.ReplaceAll(a.name, " ", "-"), func(t *testing.T) {
			f := attempt(t, &a, beside(a.loads))
			lines = append(lines, f.row(a.name))
			for _, what := range append(f.faults, f.broken()...) {
				t.Errorf("%s: %s", a.name, what)
			}
		})
	}
	for _, v := range calm {
		v.finish()
		for _, what := range v.losses() {
			t.Errorf("beside, where no attack was: %s", what)
		}
	}
	fmt.Printf("\n%s\n%s\n\n", headings, strings.Join(lines, "\n"))
}

// attempt is an attack in as many rounds as it takes. It returns the figures of the round in which
// all bounds hold, undisturbed if that may be, else of the last.
func attempt(t *testing.T, a *attack, beside *victims) *figures {
	for n := 1; ; n++ {
		f := round(t, a, beside)
		if len(f.faults) > 0 || len(f.broken()) == 0 && (!f.disturbed() || n >= calmRounds) || n == rounds {
			return f
		}
		t.Logf("round %d: disturbed: %v; %s", n, f.disturbed(), strings.Join(f.broken(), "; "))
	}
}

// round is one attack on a gateway of its own. The victims beside are those of a gateway that nobody attacks.
func round(t *testing.T, a *attack, beside *victims) *figures {
	t.Helper()
	s := newSite(t, a)
	f := &figures{connections: a.connections, hung: a.hung, opens: a.opens, asks: a.asks && a.broker}
	fault := func(format string, args ...any) { f.faults = append(f.faults, fmt.Sprintf(format, args...)) }

	v, err := startVictims(s.addr, s.topics+"/victims", s.token)
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	hostile, err := startAttackers(order{Attack: a.name, Addr: s.addr.String(), Topics: s.topics, Backlog: s.backlog})
	if err != nil {
		t.Fatal(err)
	}
	enter := func(p phase) { v.enter(p); beside.enter(p) }
	beside.again()
	enter(warmUp)
	time.Sleep(warmFor)
	enter(quiet)
	busy := s.brokerCores()
	time.Sleep(quietFor)
	f.brokerBefore = busy()
	memory := watch(s.gateway.Pid())
	f.rssBefore = memory.now()

	if a.hung {
		v.pause(true)
		s.pauseBroker(t)
	}
	enter(attacked)
	if err := hostile.begin(); err != nil {
		fault("%v", err)
	}
	busy = s.brokerCores()
	time.Sleep(max(a.last, attackFor))
	f.brokerWhile = busy()
	enter(over)
	out, err := hostile.end()
	if err != nil {
		fault("%v", err)
	}
	f.did, f.refused = out.Did, out.Refused
	if out.Reason != "" {
		t.Logf("last refusal: %s", out.Reason)
	}
	if a.hung {
		s.resumeBroker(t)
		v.pause(false)
	}
	if err := s.ended(); err != nil {
		f.rssMost = memory.stop()
		fault("the process ended: %v", err)
		return f
	}
	v.finish()
	beside.settle()
	f.faults = append(f.faults, v.losses()...)
	for p := range probes {
		f.before[p], f.during[p], f.beside[p] = v.slow(p, quiet), v.slow(p, attacked), beside.slow(p, attacked)
		f.counted[p] = v.latency[p][attacked].Count()
	}
	f.rssAfter = atRest(s.gateway.Pid(), f.rssBefore)
	f.rssMost = memory.stop()
	v.close()
	s.gateway.Stop()
	return f
}

// site is a gateway that is attacked, and what is behind it.
type site struct {
	gateway *gateway.Gateway
	cluster *pulsar.Cluster // nil: topics are in the gateway
	addr    netip.AddrPort
	topics  string // where the topics of this round are, such as persistent/public/default
	backlog string
	token   string
}

func newSite(t *testing.T, a *attack) *site {
	t.Helper()
	s := &site{topics: "persistent/public/default"}
	o := gateway.Options{Embedded: !a.broker, Conf: map[string]string{
		"memoryLimitInMB": fmt.Sprint(memoryLimit >> 20), "embeddedMemoryLimitBytes": fmt.Sprint(16 << 20),
	}}
	if a.broker {
		if a.hung && os.Getenv(pulsar.EnvCluster) != "" {
			t.Skip("the broker is not this test's to stop")
		}
		c := pulsar.Shared(t)
		s.cluster = c
		s.topics = "persistent/" + c.Namespace(t)
		o.Conf["clusterName"], o.Conf["brokerServiceUrl"], o.Conf["serviceUrl"] = c.ClusterName(), c.BrokerURL(), c.AdminURL()
	}
	if a.large {
		s.backlog = backlog(t, s.cluster)
	}
	if a.tokens {
		s.token = logins(o.Conf)
	}
	for key, value := range a.conf {
		o.Conf[key] = value
	}
	s.gateway = gateway.Start(t, o)
	s.addr = netip.MustParseAddrPort(strings.TrimPrefix(s.gateway.HTTPURL(), "http://"))
	limit := unix.Rlimit{Cur: maxData, Max: maxData}
	if err := unix.Prlimit(s.gateway.Pid(), unix.RLIMIT_DATA, &limit, nil); err != nil {
		t.Fatalf("bound the gateway's memory: %v", err)
	}
	return s
}

func (s *site) pauseBroker(t *testing.T) {
	t.Helper()
	if err := s.cluster.PauseBroker(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cluster.ResumeBroker() })
}

func (s *site) resumeBroker(t *testing.T) {
	t.Helper()
	if err := s.cluster.ResumeBroker(); err != nil {
		t.Fatal(err)
	}
}

// brokerCores returns what tells how many processors the broker has kept busy since. It is 0 where there is none to see.
func (s *site) brokerCores() (since func() float64) {
	if s.cluster == nil || s.cluster.BrokerPid() == 0 {
		return func() float64 { return 0 }
	}
	begun := time.Now()
	used := func() time.Duration {
		p, _ := measure.ReadProcess(s.cluster.BrokerPid()) // none when it has ended, which others notice
		return p.CPU()
	}
	before := used()
	return func() float64 { return float64(used()-before) / float64(time.Since(begun)) }
}

// ended tells how the process ended, nil while it runs.
func (s *site) ended() error {
	if _, err := measure.ReadProcess(s.gateway.Pid()); err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	code, err := s.gateway.Wait(ctx)
	if err != nil {
		return err
	}
	for line := range strings.Lines(s.gateway.Logs()) {
		if strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "panic: ") {
			return fmt.Errorf("exit code %d, %s", code, strings.TrimSpace(line))
		}
	}
	return fmt.Errorf("exit code %d", code)
}

// memory watches the resident memory of a process.
type memory struct {
	pid       int
	most      atomic.Int64
	end, done chan struct{}
}

func watch(pid int) *memory {
	m := &memory{pid: pid, end: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(m.done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			m.most.Store(max(m.most.Load(), m.now()))
			select {
			case <-m.end:
				return
			case <-tick.C:
			}
		}
	}()
	return m
}

// now is 0 for a process that has ended.
func (m *memory) now() int64 {
	p, _ := measure.ReadProcess(m.pid)
	return p.Anonymous
}

// stop ends the watch and returns the most that was seen.
func (m *memory) stop() int64 {
	close(m.end)
	<-m.done
	return m.most.Load()
}

// atRest waits for a process without work to give back what it does not need, and returns what it keeps.
func atRest(pid int, before int64) int64 {
	m := memory{pid: pid}
	for deadline := time.Now().Add(restFor); ; time.Sleep(50 * time.Millisecond) {
		if now := m.now(); now <= before+keptBytes || time.Now().After(deadline) {
			return now
		}
	}
}
