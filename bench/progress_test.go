//go:build linux

package bench

import (
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pulsegate/pulsegate/bench/measure"
)

func someProgress() Progress {
	return Progress{
		Second: Second{
			Phase: "measure", At: 5, Span: 2, Open: 1234, Confirmed: 2000, Received: 4000, Errors: 7, Memory: 3 << 20,
			Publish: measure.Percentiles{Count: 1, P50: 1, P99: 2, Max: 3}, EndToEnd: measure.Percentiles{Count: 1, P50: 4, P99: 5, Max: 6},
		},
		Asked: 2000, Left: 9,
	}
}

func TestProgressLines(t *testing.T) {
	var b strings.Builder
	d := NewDisplay(&b, false)
	d.Start("one: two")(someProgress())
	d.Close()
	for _, want := range []string{"one: two\n", "sessions 1,234/2,000", "published 1,000/s", "received 2,000/s", "p50 4.00 p99 5.00 ms", "errors 7", "left 9 s\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// On a terminal the view has all there is, cut to the terminal's width, and goes away.
func TestProgressView(t *testing.T) {
	wide := strings.Join(slices.Collect(lines(100)), "\n")
	for _, want := range []string{"1,234 of 2,000", "1,000/s", "2,000/s", "errors     7", "3.0 MiB"} {
		if !strings.Contains(wide, want) {
			t.Errorf("no %q in\n%s", want, wide)
		}
	}
	for line := range lines(40) {
		if len(line) > 40 {
			t.Errorf("too wide: %q", line)
		}
	}
}

// terminal opens a pseudo-terminal of 80 columns.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 25, Col: 80}); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// Each drawing goes back over all the lines of the one before.
func TestProgressStays(t *testing.T) {
	master, slave := terminal(t)
	d := NewDisplay(slave, true)
	defer d.Close()
	watch := d.Start("")
	watch(someProgress())
	seen, buf := "", make([]byte, 4096)
	for up := fmt.Sprintf("\x1b[%dA", 1+viewLines); !strings.Contains(seen, up); {
		n, err := master.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, seen)
		}
		seen += string(buf[:n])
		if len(seen) > 1<<16 {
			t.Fatalf("no %q in %q", up, seen)
		}
	}
	if !strings.Contains(seen, "1,234 of 2,000") || !strings.Contains(seen, "generator 0.00 cores") {
		t.Errorf("%q", seen)
	}
}

// lines are those of the view.
func lines(width int) iter.Seq[string] {
	all := view(someProgress(), width)
	return slices.Values(all[:])
}
