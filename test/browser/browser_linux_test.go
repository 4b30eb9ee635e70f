//go:build pulsar

// It needs no broker, but a Chromium, as other tests with this tag do.
package browser

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestChildrenEnd has a browser with a child that outlives it. When the test that started the browser has ended, the child has, too.
func TestChildrenEnd(t *testing.T) {
	program, err := filepath.Abs("testdata/chromium")
	if err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(t.TempDir(), "open")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	end, err := syscall.Open(pipe, syscall.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(end)
	t.Setenv("OPEN", pipe)
	t.Run("browser", func(t *testing.T) {
		ctx := Start(t, time.Minute, chromedp.ExecPath(program))
		if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
			t.Fatal(err)
		}
		if _, err := syscall.Read(end, make([]byte, 1)); err != syscall.EAGAIN {
			t.Errorf("while it runs, the pipe is open: %v", err)
		}
	})
	if n, err := syscall.Read(end, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("a process of the browser still runs: %v", err)
	}
}
