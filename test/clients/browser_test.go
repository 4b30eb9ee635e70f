//go:build pulsar

package clients

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/pulsegate/pulsegate/test/browser"
	"github.com/pulsegate/pulsegate/test/gateway"
)

// TestBrowser drives the page in a headless Chromium, once opened as a file and once from a web server of another origin.
func TestBrowser(t *testing.T) {
	c, server := server(t)
	namespace := c.Namespace(t)
	web := httptest.NewServer(http.FileServer(http.Dir(absolute(t, "browser"))))
	defer web.Close()

	ctx := browser.Start(t, timeout)
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

// TestBrowserReconnects cuts the way between the page and the gateway.
func TestBrowserReconnects(t *testing.T) {
	way := newRelay(t, gateway.Start(t, gateway.Options{Embedded: true}).HTTPURL())
	ctx := browser.Start(t, timeout)
	const open = "#consumer-state[data-state=open]"
	if err := chromedp.Do(ctx,
		chromedp.Navigate("file://"+absolute(t, "browser", "index.html")+"?"+url.Values{"server": {way.url()}}.Encode()),
		chromedp.Click("#connect"),
		chromedp.WaitVisible(open),
	); err != nil {
		t.Fatal(err)
	}
	way.cut()
	if err := chromedp.Do(ctx, chromedp.WaitVisible("#consumer-state[data-state=failed]"), chromedp.WaitVisible("#producer-state[data-state=failed]")); err != nil {
		t.Fatal(err)
	}
	way.mend()
	if err := chromedp.Do(ctx, chromedp.WaitVisible(open), chromedp.WaitEnabled("#send button"), chromedp.Click("#send button")); err != nil {
		t.Fatal(err)
	}
	if received, err := chromedp.Run(ctx, chromedp.Text("#received li")); err != nil || !holdsAll(received, []string{"Hello World"}) {
		t.Errorf("the page shows %q, %v", received, err)
	}
}
