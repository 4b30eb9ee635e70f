//go:build pulsar && linux

package main

import (
	"bufio"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/pulsegate/pulsegate/bench"
	"github.com/pulsegate/pulsegate/test/pulsar"
	"golang.org/x/sys/unix"
)

// machine is where something was measured, and with what.
type machine struct {
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"`
	Memory   string `json:"memory"`
	Kernel   string `json:"kernel"`
	Go       string `json:"go"`
	Java     string `json:"java"`
	Pulsar   string `json:"pulsar"`
	ClientGo string `json:"clientGo"`
}

func thisMachine() machine {
	m := machine{
		CPU: procField("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Go: runtime.Version(), Pulsar: pulsarVersion(),
		Java: javaVersion(), ClientGo: moduleVersion("github.com/apache/pulsar-client-go"),
	}
	kb, _ := strconv.ParseFloat(strings.TrimSuffix(procField("/proc/meminfo", "MemTotal"), " kB"), 64)
	m.Memory = bench.Bytes(kb * 1024)
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Sysname[:]) + " " + unix.ByteSliceToString(name.Release[:])
	}
	return m
}

// pulsarVersion is the release that the servers are of.
func pulsarVersion() string {
	version, err := pulsar.Version()
	if err != nil {
		return "unknown"
	}
	return version
}

// procField is the first value of a name in a file of lines like "name : value".
func procField(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func javaVersion() string {
	out, err := exec.Command("java", "-version").CombinedOutput()
	if err != nil {
		return "unknown"
	}
	_, after, _ := strings.Cut(string(out), `"`)
	version, _, _ := strings.Cut(after, `"`)
	return version
}

func moduleVersion(path string) string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "unknown"
}
