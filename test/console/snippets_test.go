//go:build pulsar

package console

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/test/installed"
)

// sent is the frame that the programs publish. It has what the languages could write differently.
const sent = `{"payload":"R3LDvMOfZSAiJHt4fSI=","context":"1","key":"k'1","properties":{"a":"b=\"c\"","d":"世界"}}`

// programs prints what the console shows in each language: {kind: {language: text}}.
const programs = `
import { languages } from "./snippets.mjs";
const [url, token, frame] = process.argv.slice(2);
console.log(JSON.stringify(Object.fromEntries(["producer", "consumer"].map((kind) => [kind, Object.fromEntries(
  Object.entries(languages).map(([name, write]) => [name, write({ url, kind, token: token !== "", frame: JSON.parse(frame) })]))]))));
`

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// typed is what a person types into a program that sends it.
const typed = `{"messageId":"CAEQAA=="}` + "\n"

// run runs a program to its end in dir, with the token the server wants, and returns what it prints. The program of a
// consumer ends with an error, as the server goes.
func run(t *testing.T, dir string, mayFail bool, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TOKEN=secret", "PATH="+filepath.Join(dir, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	cmd.Stdin = strings.NewReader(typed)
	out, err := cmd.CombinedOutput()
	if err != nil && !mayFail {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// exchange is what the server saw of one session: the header that logs in, and the client's first frame.
type exchange struct{ login, frame string }

// serve answers as the gateway does: a producer's frame with its receipt, and to a consumer it gives a message, and goes when
// that is acknowledged.
func serve(t *testing.T) (url string, seen chan exchange) {
	seen = make(chan exchange, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		consumer := strings.Contains(r.URL.Path, "/consumer/")
		if consumer {
			_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"messageId":"CAEQAA==","payload":"aGVsbG8="}`))
		}
		_, frame, err := ws.ReadMessage()
		if err != nil {
			return
		}
		seen <- exchange{r.Header.Get("Authorization"), string(frame)}
		if !consumer {
			_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"result":"ok","messageId":"CAEQAA==","context":"1"}`))
			_, _, _ = ws.ReadMessage()
		}
	}))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http"), seen
}

// same tells whether two texts are the same JSON.
func same(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return string(p) == string(q)
}

// TestProgramsRun runs what "The same in code" shows, with and without a login: each program sends what the page would send, and
// prints what it gets. websocat acknowledges what is typed.
func TestProgramsRun(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join("..", "..", "operator", "console", "snippets.js"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "snippets.mjs"), string(text))
	write(t, filepath.Join(dir, "programs.mjs"), programs)
	python, err := installed.Python(t.Context(), "requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.Symlink(modules(t), filepath.Join(dir, "node_modules")),
		os.Symlink(filepath.Dir(python), filepath.Join(dir, "bin")),
		os.CopyFS(dir, os.DirFS("testdata")), // the Go module
	); err != nil {
		t.Fatal(err)
	}

	url, seen := serve(t)
	for _, login := range []string{"", "Bearer secret"} {
		for _, kind := range []string{"producer", "consumer"} {
			address := url + "/ws/v2/" + kind + "/persistent/public/default/hello"
			var texts map[string]map[string]string
			if err := json.Unmarshal([]byte(run(t, dir, false, "node", "programs.mjs", address, login, sent)), &texts); err != nil {
				t.Fatal(err)
			}
			for _, p := range []struct {
				language, file string
				command        []string
			}{
				{"Python (websocket-client)", "program.py", []string{python, "program.py"}},
				{"JavaScript (Node, ws)", "program.mjs", []string{"node", "program.mjs"}},
				{"Go (coder/websocket)", "program.go", []string{"go", "run", "program.go"}},
				{"websocat", "program.sh", []string{"sh", "program.sh"}},
			} {
				name := strings.TrimSpace(p.language + ", " + kind + " " + login)
				write(t, filepath.Join(dir, p.file), texts[kind][p.language])
				out := run(t, dir, kind == "consumer", p.command[0], p.command[1:]...)
				var got exchange
				select {
				case got = <-seen:
				default:
					t.Errorf("%s: it has sent nothing: %s", name, out)
					continue
				}
				want, printed := sent, "CAEQAA=="
				if kind == "consumer" {
					want, printed = typed, "hello"
					if p.language == "websocat" { // which shows frames as they come
						printed = `"payload":"aGVsbG8="`
					}
				}
				if got.login != login || !same(got.frame, want) || !strings.Contains(out, printed) {
					t.Errorf("%s: it logged in with %q and sent %s, want %q and %s; it printed %s", name, got.login, got.frame, login, want, out)
				}
			}
			// The line for curl does not speak: it shows how the server answers.
			if out := run(t, dir, true, "sh", "-c", texts[kind]["curl (why is it refused?)"]); !strings.Contains(out, "101 Switching Protocols") {
				t.Errorf("curl, %s %s: %s", kind, login, out)
			}
		}
	}
}
