package measure

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of CPU times in /proc: USER_HZ, which is 100 on
// every architecture that Go runs on.
const ticksPerSecond = 100

// Process is what a process has used and holds.
type Process struct {
	User, System time.Duration // CPU time since its start
	Anonymous    int64         // RssAnon: resident memory that is no file, bytes
	Threads      int
	Descriptors  int // open ones: sockets, files and pipes
}

// CPU is user and system time together.
func (p Process) CPU() time.Duration { return p.User + p.System }

// Add adds what another process has used and holds.
func (p *Process) Add(o Process) {
	p.User, p.System = p.User+o.User, p.System+o.System
	p.Anonymous, p.Threads, p.Descriptors = p.Anonymous+o.Anonymous, p.Threads+o.Threads, p.Descriptors+o.Descriptors
}

// ReadProcess reads /proc of a process.
func ReadProcess(pid int) (Process, error) {
	dir := fmt.Sprintf("/proc/%d", pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return Process{}, fmt.Errorf("read the costs of process %d: %w", pid, err)
	}
	// The second field is the command in brackets and may hold spaces.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return Process{}, fmt.Errorf("read the costs of process %d: %s/stat has %d fields", pid, dir, len(fields))
	}
	var p Process
	p.User, p.System = ticks(fields[11]), ticks(fields[12])
	status, err := os.Open(dir + "/status")
	if err != nil {
		return Process{}, fmt.Errorf("read the costs of process %d: %w", pid, err)
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		number, _, _ := strings.Cut(strings.TrimSpace(value), " ")
		n, _ := strconv.ParseInt(number, 10, 64)
		switch name {
		case "RssAnon":
			p.Anonymous = n << 10
		case "Threads":
			p.Threads = int(n)
		}
	}
	p.Descriptors = countDescriptors(dir + "/fd")
	return p, nil
}

func ticks(s string) time.Duration {
	n, _ := strconv.ParseInt(s, 10, 64)
	return time.Duration(n) * time.Second / ticksPerSecond
}

// countDescriptors is 0 for a process of another user, whose list is not readable.
func countDescriptors(dir string) int {
	d, err := os.Open(dir)
	if err != nil {
		return 0
	}
	defer d.Close()
	// Since Linux 6.2 the size tells the number without reading the list.
	if info, err := d.Stat(); err == nil && info.Size() > 0 {
		return int(info.Size())
	}
	names, _ := d.Readdirnames(-1)
	return len(names)
}

// Machine is the CPU time of all processors since boot.
type Machine struct{ Busy, Idle time.Duration }

// ReadMachine reads /proc/stat.
func ReadMachine() (Machine, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Machine{}, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return Machine{}, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var m Machine
	for i, f := range fields[1:9] { // user nice system idle iowait irq softirq steal
		if i == 3 || i == 4 {
			m.Idle += ticks(f)
		} else {
			m.Busy += ticks(f)
		}
	}
	return m, nil
}
