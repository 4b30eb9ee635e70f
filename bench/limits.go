//go:build linux

package bench

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pulsegate/pulsegate/bench/measure"
)

// spareDescriptors are those needed for other things than sessions.
const spareDescriptors = 64

// checkDescriptors says what to do when the sessions cannot all have a descriptor.
func checkDescriptors(p *Plan) error {
	need := uint64((p.sessions() + p.Processes - 1) / p.Processes)
	if p.Target.secure {
		need *= 3
	}
	need += spareDescriptors
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= need {
		return nil
	}
	return fmt.Errorf("%w: %d sessions in %d processes need %d file descriptors in each, but a process may have %d: spread them over more with --processes, or raise the limit with `ulimit -n %d` (the hard limit is %d; limits.conf sets it)",
		ErrPlan, p.sessions(), p.Processes, need, limit.Cur, need, limit.Max)
}

const (
	// manySessions is from how many sessions on it is looked what they take of the machine.
	manySessions = 1000
	// connectionMemory is what the kernel has for the two ends of a connection on one machine at
	// least, in bytes.
	connectionMemory = 7 << 10
)

// checkMachine says which limit of the machine is in the way of very many sessions, before they
// are opened in vain. What it does not know it takes for enough.
func checkMachine(p *Plan) error {
	sessions := p.sessions()
	if sessions < manySessions || p.Target.native {
		return nil
	}
	here := p.Target.addr.Addr().IsLoopback() // the server's ends are on this machine, too
	m := limits{sessions: int64(sessions), ends: 1, root: os.Geteuid() == 0}
	if here {
		m.ends = 2
		if k, err := measure.ReadKernel(); err == nil {
			m.available = k.Available
		}
	}
	m.files, m.maxFiles = numbers("/proc/sys/fs/file-nr")
	m.tracked, _ = numbers("/proc/sys/net/netfilter/nf_conntrack_count")
	_, m.maxTracked = numbers("/proc/sys/net/netfilter/nf_conntrack_max")
	return m.check()
}

// limits are what very many sessions need, and what there is; 0: not known.
type limits struct {
	sessions, ends      int64
	root                bool
	files, maxFiles     int64 // open files of all programs
	tracked, maxTracked int64 // connections that a firewall follows
	available           int64 // bytes of memory; of a server on this machine only
}

func (l *limits) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %d sessions %s", ErrPlan, l.sessions, fmt.Sprintf(format, args...))
	}
	switch {
	case !l.root && l.maxFiles > 0 && l.files+l.ends*l.sessions > l.maxFiles: // root is not bound by it
		return bad("need %d file descriptors, but this machine may have %d, %d of which are in use: raise fs.file-max with sysctl", l.ends*l.sessions, l.maxFiles, l.files)
	case l.tracked > 0 && l.maxTracked > 0 && l.tracked+l.sessions > l.maxTracked: // 0: none is followed
		return bad("are more connections than this machine's firewall follows: it may follow %d, and does follow %d: raise net.netfilter.nf_conntrack_max with sysctl", l.maxTracked, l.tracked)
	case l.available > 0 && l.sessions*connectionMemory > l.available:
		return bad("take %s of the kernel's memory with both ends on this machine, which has %s left: open fewer, or run client and server on two machines",
			Bytes(float64(l.sessions*connectionMemory)), Bytes(float64(l.available)))
	}
	return nil
}

// numbers are the first and the last number of a file; 0: it cannot be read.
func numbers(path string) (first, last int64) {
	b, err := os.ReadFile(path)
	fields := strings.Fields(string(b))
	if err != nil || len(fields) == 0 {
		return 0, 0
	}
	_, _ = fmt.Sscan(fields[0], &first)
	_, _ = fmt.Sscan(fields[len(fields)-1], &last)
	return first, last
}
