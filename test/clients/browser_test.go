//go:build pulsar

package clients

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestBrowser drives the page in a headless Chromium, once opened as a file and once from a web server of another origin.
func TestBrowser(t *testing.T) {
	c, server := server(t)
	namespace := c.Namespace(t)
	web := httptest.NewServer(http.FileServer(http.Dir(absolute(t, "browser"))))
	defer web.Close()

	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, // Chromium refuses to run as root with it
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.WSURLReadTimeout(timeout),
	)
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()

	for name, page := range map[string]string{"file": "file://" + absolute(t, "browser", "index.html"), "served": web.URL + "/"} {
		topic := "persistent://" + namespace + "/" + name
		address := page + "?" + url.Values{"server": {server}, "topic": {topic}}.Encode()
		const text = "Grüße, 世界 🌍"
		err := chromedp.Do(ctx,
			chromedp.Navigate(address),
			chromedp.Click("#connect"),
			chromedp.WaitVisible("#consumer-state[data-state=open]"),
			chromedp.WaitEnabled("#send button"),
			chromedp.SetValue("#message", text),
			chromedp.SetValue("#key", "k1"),
			chromedp.Click("#send button"),
		)
		if err != nil {
			t.Fatalf("%s: connect and send: %v", name, err)
		}
		sent, err := chromedp.Run(ctx, chromedp.Text("#sent li"))
		if err != nil {
			t.Fatalf("%s: wait for the answer: %v", name, err)
		}
		received, err := chromedp.Run(ctx, chromedp.Text("#received li"))
		if err != nil {
			t.Fatalf("%s: wait for the message: %v", name, err)
		}
		if !holdsAll(sent, []string{text, "stored as "}) {
			t.Errorf("%s: the page shows as sent: %q", name, sent)
		}
		if !holdsAll(received, []string{text, "key k1"}) {
			t.Errorf("%s: the page shows as received: %q", name, received)
		}
		awaitAcknowledged(t, c, topic, "my-sub")
	}
}
