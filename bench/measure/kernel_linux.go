package measure

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Kernel is the memory that the kernel has for itself, in bytes, all programs of the machine
// together.
type Kernel struct {
	// Memory is all that is neither free, nor of the page cache, nor a process's.
	Memory    int64
	Available int64 // what programs could still have
	Buffers   int64 // of Memory: what sockets hold that is not read, or not acknowledged
	Sockets   int   // TCP
	// Slabs are the kernel's pools of structs, by name. They are part of Memory, and readable by
	// root only: nil for others.
	Slabs map[string]int64
}

// ReadKernel reads /proc/meminfo, /proc/net/sockstat and /proc/slabinfo.
func ReadKernel() (Kernel, error) {
	k := Kernel{}
	info, err := os.Open("/proc/meminfo")
	if err != nil {
		return k, fmt.Errorf("read the kernel's memory: %w", err)
	}
	defer info.Close()
	m := memInfo(info)
	k.Memory = m["MemTotal"] - m["MemFree"] - m["Buffers"] - m["Cached"] - m["SwapCached"] - m["AnonPages"]
	k.Available = m["MemAvailable"]
	k.Sockets, k.Buffers = ReadSockets()
	if slabs, err := os.Open("/proc/slabinfo"); err == nil {
		defer slabs.Close()
		k.Slabs = slabInfo(slabs)
	}
	return k, nil
}

// ReadSockets reads how many TCP sockets there are and what they hold, in bytes; 0: it cannot be read.
func ReadSockets() (sockets int, buffers int64) {
	stat, err := os.Open("/proc/net/sockstat")
	if err != nil {
		return 0, 0
	}
	defer stat.Close()
	return sockStat(stat)
}

// memInfo reads lines such as "MemFree:  16 kB", in bytes.
func memInfo(r io.Reader) map[string]int64 {
	m := map[string]int64{}
	for lines := bufio.NewScanner(r); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		number, unit, _ := strings.Cut(strings.TrimSpace(value), " ")
		n, _ := strconv.ParseInt(number, 10, 64)
		if unit == "kB" {
			n <<= 10
		}
		m[name] = n
	}
	return m
}

// sockStat reads the number of TCP sockets, and their buffers, from a line such as
// "TCP: inuse 89 orphan 0 tw 193 alloc 117 mem 30", whose last is in pages.
func sockStat(r io.Reader) (sockets int, buffers int64) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0] != "TCP:" {
			continue
		}
		for i := 1; i+1 < len(fields); i += 2 {
			n, _ := strconv.ParseInt(fields[i+1], 10, 64)
			switch fields[i] {
			case "alloc":
				sockets = int(n)
			case "mem":
				buffers = n * int64(os.Getpagesize())
			}
		}
	}
	return sockets, buffers
}

// slabInfo reads what each slab takes, from lines of name, structs in use, structs, size of one,
// structs in a slab and pages of a slab, the number of slabs being the second last number.
func slabInfo(r io.Reader) map[string]int64 {
	m := map[string]int64{}
	for lines := bufio.NewScanner(r); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 16 {
			continue // the head
		}
		pages, err := strconv.ParseInt(fields[5], 10, 64)
		slabs, err2 := strconv.ParseInt(fields[14], 10, 64)
		if err == nil && err2 == nil {
			m[fields[0]] += pages * slabs * int64(os.Getpagesize())
		}
	}
	return m
}

// Slab is a pool of structs and what it grew by, in bytes.
type Slab struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

// Grown are the slabs that grew most since before, the largest first.
func (k *Kernel) Grown(before *Kernel, most int) []Slab {
	var all []Slab
	for name, n := range k.Slabs {
		if d := n - before.Slabs[name]; d > 0 {
			all = append(all, Slab{name, d})
		}
	}
	slices.SortFunc(all, func(a, b Slab) int { return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name)) })
	return all[:min(most, len(all))]
}
