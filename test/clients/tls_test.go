//go:build pulsar

package clients

import (
	"maps"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
	"github.com/pulsegate/pulsegate/test/browser"
	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/port"
)

// TestTLS runs the same programs over wss://, each told of the authority in its own way.
func TestTLS(t *testing.T) {
	c, _ := server(t)
	ca := tlstest.New(t)
	cert := ca.Issue("server", "ecdsa")
	ports, err := port.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	conf := map[string]string{
		"webServicePortTls":      strconv.Itoa(ports[0]),
		"tlsCertificateFilePath": cert.CertFile, "tlsKeyFilePath": cert.KeyFile,
	}
	maps.Copy(conf, v1Names(c))
	gateway.OnCluster(t, c, conf)
	url := "wss://localhost:" + strconv.Itoa(ports[0])
	t.Setenv("NODE_EXTRA_CA_CERTS", ca.File)
	t.Setenv("WEBSOCKET_CLIENT_CA_BUNDLE", ca.File)

	t.Run("Node", func(t *testing.T) {
		dir := node(t)
		consumer := consume(t, c, "persistent://my-property/us-west/my-ns/my-topic1", "my-sub1", "node", dir+"/consumer.js", url)
		if out := run(t, dir, "node", "producer.js", url); !holdsAll(out, []string{"received ack:", `"result":"ok"`}) {
			t.Errorf("the producer printed %q", out)
		}
		consumer.expect("received:", "payload: Hello World")
	})
	t.Run("Python", func(t *testing.T) {
		python := python(t)
		consumer := consume(t, c, "persistent://sample/standalone/ns1/my-topic", "my-sub", python, absolute(t, "python", "consumer.py"), url)
		if out := run(t, ".", python, absolute(t, "python", "producer.py"), url); out != "Message published successfully\n" {
			t.Errorf("the producer printed %q", out)
		}
		consumer.expect("Received:", "payload: b'Hello World'")
	})
	t.Run("browser", func(t *testing.T) {
		ctx := browser.Start(t, timeout, chromedp.Flag("ignore-certificate-errors", true)) // it takes authorities from the system only
		topic := "persistent://" + c.Namespace(t) + "/tls"
		if err := chromedp.Do(ctx,
			chromedp.Navigate("file://"+absolute(t, "browser", "index.html")+"?server="+url+"&topic="+topic),
			chromedp.Click("#connect"),
			chromedp.WaitVisible("#consumer-state[data-state=open]"),
			chromedp.WaitEnabled("#send button"),
			chromedp.SetValue("#message", "over TLS"),
			chromedp.Click("#send button"),
		); err != nil {
			t.Fatal(err)
		}
		if received, err := chromedp.Run(ctx, chromedp.Text("#received li")); err != nil || !holdsAll(received, []string{"over TLS"}) {
			t.Errorf("the page shows %q, %v", received, err)
		}
	})
}
