//go:build packages

package packages

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/config"
)

// maxExposure is in the units of systemd-analyze security, tenths: 2.0 of 10 at most.
const maxExposure = "20"

// The unit is one that systemd understands, and leaves little to a server that was taken over.
func TestUnit(t *testing.T) {
	// systemd-analyze looks for the program that is started.
	m := newMachine(t)
	writeFile(t, m.path("/usr/bin/pulsegate"), "#!/bin/sh\n")
	m.run("chmod", "755", "/usr/bin/pulsegate")
	copyFile(t, filepath.Join(top(t), "deploy/systemd/pulsegate.service"), m.path("/etc/systemd/system/pulsegate.service"), 0o644)
	if out := m.run("systemd-analyze", "verify", "/etc/systemd/system/pulsegate.service"); strings.TrimSpace(out) != "" {
		t.Errorf("verify: %s", out)
	}
	out, err := m.try("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold="+maxExposure, "/etc/systemd/system/pulsegate.service")
	if err != nil || !strings.Contains(out, "Overall exposure level for pulsegate.service") {
		t.Errorf("%v\n%s", err, out)
	}
}

// unitValue returns the value of a key of the unit.
func unitValue(t *testing.T, key string) string {
	t.Helper()
	for line := range strings.Lines(readFile(t, filepath.Join(top(t), "deploy/systemd/pulsegate.service"))) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			return value
		}
	}
	t.Fatalf("the unit has no %s", key)
	return ""
}

// A stop is not cut off while the server drains as it does by default.
func TestUnitWaitsForDrain(t *testing.T) {
	seconds, err := strconv.Atoi(strings.TrimSuffix(unitValue(t, "TimeoutStopSec"), "s"))
	if err != nil {
		t.Fatal(err)
	}
	if drain := config.Defaults().DrainTimeout.Seconds(); float64(seconds) <= drain {
		t.Errorf("the unit waits %d s, the server drains for %g s", seconds, drain)
	}
}

// The unit allows a million descriptors, as the kernel settings say it does.
func TestUnitAllowsAMillionSessions(t *testing.T) {
	if n, err := strconv.Atoi(unitValue(t, "LimitNOFILE")); err != nil || n < 1_000_000 {
		t.Errorf("LimitNOFILE=%d, %v", n, err)
	}
}

// Each kernel setting is one that this kernel knows, unless it says that it may be missing, and has as many values as there.
func TestKernelSettings(t *testing.T) {
	lines := bufio.NewScanner(strings.NewReader(readFile(t, filepath.Join(top(t), "deploy/sysctl.d/90-pulsegate.conf"))))
	var seen []string
	explained := false
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			explained = line != "" || explained && len(seen) == 0
			continue
		}
		key, value, ok := strings.Cut(line, " = ")
		name, optional := strings.CutPrefix(key, "-")
		if !ok || slices.Contains(seen, name) {
			t.Errorf("%q: not a setting, or there twice", line)
		}
		seen = append(seen, name)
		if !explained {
			t.Errorf("%s: no reason", name)
		}
		now, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
		if err != nil {
			if !optional {
				t.Error(err)
			}
			continue
		}
		if len(strings.Fields(string(now))) != len(strings.Fields(value)) {
			t.Errorf("%s: %q in the place of %q", name, value, now)
		}
	}
	if len(seen) < 5 {
		t.Errorf("only %v", seen)
	}
}
