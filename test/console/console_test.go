//go:build pulsar

// Package console drives the operator's console in a headless Chromium, in front of a real Pulsar.
package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/pulsegate/pulsegate/test/browser"
	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/installed"
	"github.com/pulsegate/pulsegate/test/port"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

func TestMain(m *testing.M) { pulsar.Main(m) }

// EnvScreenshots names the environment variable with the folder that pictures of the console are put into.
const EnvScreenshots = "PULSEGATE_SCREENSHOTS"

// timeout bounds everything a test waits for; it takes seconds, except on a machine that is very busy.
const timeout = 3 * time.Minute

// modules is the directory with the packages that package.json names.
func modules(t *testing.T) string {
	t.Helper()
	dir, err := installed.Node(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// axe returns the program that looks for what keeps people from using a page.
func axe(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(modules(t), "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// violations is what axe finds, put shortly.
const violations = `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}).then(r =>
	JSON.stringify(r.violations.map(v => v.id + ": " + v.help + " " + v.nodes.map(n => n.target + " " + n.failureSummary).join("; "))))`

func do(t *testing.T, ctx context.Context, what string, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// evaluate tells what an expression of the page is.
func evaluate[T any](t *testing.T, ctx context.Context, script string, options ...chromedp.EvaluateOption) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, options...))
	if err != nil {
		t.Fatalf("%.100s: %v", script, err)
	}
	return v
}

// await waits until script, an expression of the page, is true.
func await(t *testing.T, ctx context.Context, what, script string) {
	t.Helper()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](script, chromedp.WithPollingTimeout(timeout))); err != nil {
		text, _ := chromedp.Run(ctx, chromedp.Text("body"))
		t.Fatalf("%s: %v; the page shows:\n%s", what, err, text)
	}
}

// TestConsole looks at everything that there is to see, with a message sent and received on the page itself, as somebody
// with a large light screen and as somebody with a phone in the dark.
func TestConsole(t *testing.T) {
	c := pulsar.Shared(t)
	g := gateway.OnCluster(t, c, nil)
	ctx, checker := browser.Start(t, timeout), axe(t)
	topic := "persistent/" + c.Namespace(t) + "/orders"
	refused(t, g.HTTPURL()+"/ws/v2/nowhere")

	for _, view := range []struct {
		name, scheme string
		width        int64
	}{{"light", "light", 1280}, {"phone", "dark", 390}} {
		page := g.HTTPURL() + "/console/?" + view.name // another page, or the browser would stay on the one it has
		if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: view.scheme}},
		}); err != nil {
			t.Fatal(err)
		}
		do(t, ctx, view.name,
			chromedp.EmulateViewport(view.width, 844),
			chromedp.Navigate(page+"#try"),
			chromedp.WaitVisible("#try-form"),
			chromedp.SetValue("#try-topic", topic),
			chromedp.SetValue("#try-message", "Grüße, 世界"),
			chromedp.Focus("#try-open"),
			chromedp.KeyEvent(kb.Enter),
		)
		await(t, ctx, "a producer opens, and the message's field has the focus", `document.activeElement.id === "try-message"`)
		do(t, ctx, "send by the keyboard", chromedp.KeyEvent(kb.Tab+kb.Tab+kb.Tab+kb.Enter))
		await(t, ctx, "it is published", `document.querySelector("#frames").textContent.includes('"result":"ok"')`)
		for _, kind := range []struct{ name, query string }{{"reader", "messageId=earliest"}, {"consumer", "subscriptionInitialPosition=Earliest"}} {
			do(t, ctx, kind.name, chromedp.Click("#try-close"))
			await(t, ctx, "the connection closes", `!document.querySelector("#try-open").disabled`)
			evaluate[int](t, ctx, `document.querySelector("#frames").replaceChildren(); 0`)
			do(t, ctx, kind.name,
				chromedp.SetValue("#try-kind", kind.name),
				chromedp.SetValue("#try-subscription", view.name),
				chromedp.SetValue("#try-query", kind.query),
				chromedp.Click("#try-open"),
			)
			await(t, ctx, "the message comes to the "+kind.name, `document.querySelector("#frames").textContent.includes("payload: Grüße, 世界")`)
			await(t, ctx, "it is acknowledged", `document.querySelector("#frames .sent")?.textContent.includes("messageId")`)
		}

		for _, p := range []struct{ hash, shown string }{
			{"try", `document.querySelector("#try-code")?.textContent.includes("create_connection")`},
			{"sessions", `document.querySelector("#sessions tbody")?.textContent.includes("/orders")`},
			{"topics", `document.querySelector("#topics tbody")?.textContent.includes("/orders")`},
			{"upstream", `document.querySelector("table[data-list=brokers] tbody")?.textContent.includes("up")`},
			{"refusals", `document.querySelector("#refusals tbody")?.textContent.includes("/ws/v2/nowhere")`},
			{"config", `document.querySelector("#config-text")?.textContent.includes("webServicePort=")`},
			{"overview", `document.querySelector("#chart-messages canvas") !== null && document.querySelector("#cards")?.textContent.includes("serving")`},
		} {
			evaluate[string](t, ctx, fmt.Sprintf(`location.hash = %q`, p.hash))
			await(t, ctx, p.hash+" is shown", p.shown)
			look(t, ctx, checker, view.name+"-"+p.hash)
		}
	}
}

// look fails the test for what axe finds on the page as it is, and takes a picture of it where one is wanted.
func look(t *testing.T, ctx context.Context, checker, name string) {
	t.Helper()
	// The page's own rules let it run nothing but its own files; what the browser's driver evaluates is not held to them.
	evaluate[int](t, ctx, checker+";0")
	found := evaluate[string](t, ctx, violations, chromedp.EvalAwaitPromise)
	var list []string
	if err := json.Unmarshal([]byte(found), &list); err != nil {
		t.Fatal(err)
	}
	for _, v := range list {
		t.Errorf("%s: %s", name, v)
	}
	if evaluate[bool](t, ctx, `document.documentElement.scrollWidth > document.documentElement.clientWidth`) {
		t.Errorf("%s: the page is wider than the screen", name)
	}
	if dir := os.Getenv(EnvScreenshots); dir != "" {
		picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// refused asks for what there is not.
func refused(t *testing.T, url string) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusNotFound {
		t.Fatal(answer.Status, err)
	}
}

// TestOperatorCloses a session in the console at its own door, where there is nothing to try out, and another by the command; their
// clients are told why.
func TestOperatorCloses(t *testing.T) {
	c := pulsar.Shared(t)
	ports, err := port.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	g := gateway.OnCluster(t, c, map[string]string{"operatorServicePort": strconv.Itoa(ports[0])})
	door := "http://127.0.0.1:" + strconv.Itoa(ports[0])
	ctx := browser.Start(t, timeout)
	topic := "persistent/" + c.Namespace(t) + "/orders"
	consume := func() (wait func(reason string)) {
		client := exec.Command(gateway.Binary(t), "consume", g.URL()+"/ws/v2/consumer/"+topic+"/s")
		var said strings.Builder
		client.Stderr = &said
		if err := client.Start(); err != nil {
			t.Fatal(err)
		}
		return func(reason string) {
			t.Helper()
			if err := client.Wait(); err == nil || !strings.Contains(said.String(), reason) {
				t.Errorf("%v: %s", err, said.String())
			}
		}
	}

	wait := consume()
	do(t, ctx, "open the console", chromedp.Navigate(door+"/console/#sessions"))
	evaluate[int](t, ctx, `window.prompt = () => "for maintenance"; 0`)
	await(t, ctx, "there is nothing to try out", `document.querySelector('nav a[href="#try"]') === null`)
	await(t, ctx, "the session is listed", `document.querySelector("#sessions tbody button") !== null`)
	await(t, ctx, "its rate is known", `document.querySelector("#sessions tbody tr")?.cells[9].textContent === "0"`)
	// In one step: the table is drawn anew every other second, and hands the focus on.
	evaluate[int](t, ctx, `document.querySelector("#sessions tbody button").focus(); 0`)
	do(t, ctx, "close it by the keyboard", chromedp.KeyEvent(kb.Enter))
	wait("for maintenance")
	await(t, ctx, "it is gone", `document.querySelector("#sessions tbody")?.textContent === "none"`)

	wait = consume()
	await(t, ctx, "the next one is listed", `document.querySelector("#sessions tbody button") !== null`)
	id := evaluate[string](t, ctx, `document.querySelector("#sessions tbody td").textContent`)
	if out, err := exec.Command(gateway.Binary(t), "close", id, "--reason", "by the command", "--url", door).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	wait("by the command")

	for _, path := range []string{"/ws/v2/nowhere", "/ws/v2/elsewhere"} {
		refused(t, g.HTTPURL()+path)
	}
	evaluate[string](t, ctx, `location.hash = "upstream"`)
	await(t, ctx, "the broker is up", `document.querySelector('table[data-list="brokers"] tbody')?.textContent.includes("up")`)
	do(t, ctx, "look for those that are down", chromedp.SetValue(`form[data-list="brokers"] [name="state"]`, "down"), chromedp.Click(`form[data-list="brokers"] button`))
	await(t, ctx, "there is none", `document.querySelector('table[data-list="brokers"] tbody')?.textContent === "none" && location.hash === "#upstream"`)
	evaluate[string](t, ctx, `location.hash = "refusals"`)
	await(t, ctx, "the newest refusal is the first", `document.querySelector("#refusals tbody tr")?.textContent.includes("/elsewhere")`)
	do(t, ctx, "look for another", chromedp.SetValue(`#refusals [name="path"]`, "*/nowhere"), chromedp.Click("#refusals button"))
	await(t, ctx, "it is alone", `document.querySelectorAll("#refusals tbody tr").length === 1 && document.querySelector("#refusals tbody").textContent.includes("/nowhere")`)
	do(t, ctx, "look for one with another code", chromedp.SetValue(`#refusals [name="code"]`, "5*"), chromedp.Click("#refusals button"))
	await(t, ctx, "there is none", `document.querySelector("#refusals tbody")?.textContent === "none"`)

	evaluate[string](t, ctx, `location.hash = "config"`)
	evaluate[int](t, ctx, `{ const make = URL.createObjectURL; URL.createObjectURL = (b) => { b.bytes().then((all) => window.saved = all); return make(b) } }; 0`)
	do(t, ctx, "take a profile", chromedp.Click(`[data-profile="heap"]`))
	await(t, ctx, "it is compressed, as profiles are", `window.saved?.[0] === 0x1f && window.saved[1] === 0x8b`)
	await(t, ctx, "another may be taken", `!document.querySelector('[data-profile="heap"]').disabled`)
}
