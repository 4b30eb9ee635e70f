// Package browser starts a headless Chromium for a test.
package browser

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Start starts one with flags beside those that every test needs. It goes when the test ends, or after
// timeout at the latest, which therefore bounds everything the test waits for in it.
//
// Its profile is in a directory that chromedp makes, as only chromedp waits until the browser's children are gone, too, before it
// removes it: they write there after the browser is killed, and t.TempDir fails the test when files come while it removes them.
func Start(t *testing.T, timeout time.Duration, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, // Chromium refuses to run as root with it
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.WSURLReadTimeout(timeout),
	)
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(options, flags...)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}
