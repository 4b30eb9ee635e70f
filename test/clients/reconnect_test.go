//go:build pulsar

package clients

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/test/gateway"
)

// TestReconnect cuts the way between a gateway and the examples that come back, in each language. None needs a
// broker for it: the gateway keeps the topics itself.
func TestReconnect(t *testing.T) {
	for language, prepare := range map[string]func(*testing.T) []string{
		"Python": func(t *testing.T) []string { return []string{python(t), absolute(t, "python", "client.py")} },
		"Node":   func(t *testing.T) []string { return []string{"node", filepath.Join(node(t), "client.js")} },
		"Go": func(t *testing.T) []string {
			program := filepath.Join(t.TempDir(), "client")
			run(t, absolute(t, "go"), "go", "build", "-o", program, ".")
			return []string{program}
		},
		"Java": func(t *testing.T) []string {
			classes := t.TempDir()
			run(t, ".", "javac", "-d", classes, absolute(t, "java", "Client.java"))
			return []string{"java", "-cp", classes, "Client"}
		},
	} {
		t.Run(language, func(t *testing.T) { comesBack(t, prepare(t)) })
	}
}

func comesBack(t *testing.T, command []string) {
	way := newRelay(t, gateway.Start(t, gateway.Options{Embedded: true}).HTTPURL())
	t.Setenv("PULSEGATE_URL", way.url())
	const topic = "persistent/public/default/coming-back"
	client := func(args ...string) *program {
		return start(t, command[0], append(slices.Clone(command[1:]), args...)...)
	}

	out, code := ends(t, append(slices.Clone(command), "produce", "persistent/public/nowhere/t", "x"))
	if code != 1 || !holdsAll(out, []string{"refused: 404", "namespace public/nowhere"}) {
		t.Errorf("refused: exit code %d, %q", code, out)
	}

	reader, consumer := client("read", topic), client("consume", topic, "a/b")
	client("produce", topic, "one", "zwei €").expect("published: zwei €")
	for _, text := range []string{"one", "zwei €"} {
		reader.expect("read: " + text)
		consumer.expect("received: " + text)
	}

	way.cut()
	late := client("produce", topic, "three")
	for _, p := range []*program{reader, consumer, late} {
		p.expect("lost: ")
	}
	way.mend()
	late.expect("published: three")
	reader.expect("read: three")
	consumer.expect("received: three")
	if n := len(reader.printed("read: one")); n != 1 {
		t.Errorf("the reader, which goes on where it was, has read the first message %d times", n)
	}
}

// ends runs a program that may end badly.
func ends(t *testing.T, command []string) (out string, code int) {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		code = exit.ExitCode()
	}
	return string(text), code
}

// TestArduino compiles the sketch of a device, with the few declarations of Arduino's that it needs, and runs it.
func TestArduino(t *testing.T) {
	way := newRelay(t, gateway.Start(t, gateway.Options{Embedded: true}).HTTPURL())
	sketch, err := os.ReadFile(absolute(t, "arduino", "arduino.ino"))
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(way.url(), "ws://"), ":")
	build := func(namespace string) string {
		text := string(sketch)
		for old, now := range map[string]string{
			`"192.168.1.10"`: `"127.0.0.1"`, "PORT = 8080": "PORT = " + port, "INTERVAL = 10000": "INTERVAL = 20", "/public/default/": "/public/" + namespace + "/",
		} {
			if !strings.Contains(text, old) {
				t.Fatalf("the sketch has no %s", old)
			}
			text = strings.ReplaceAll(text, old, now)
		}
		dir := t.TempDir()
		file, program := filepath.Join(dir, "sketch.cpp"), filepath.Join(dir, "device")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		stubs, err := filepath.Abs("testdata/arduino")
		if err != nil {
			t.Fatal(err)
		}
		run(t, dir, "g++", "-Wall", "-Werror", "-I", stubs, "-o", program, file)
		return program
	}

	start(t, build("nowhere"), "").expect("refused: 404", "namespace public/nowhere")

	device := start(t, build("default"), "")
	device.expect("published: ", `"number":5,`)
	way.cut()
	way.mend()
	device.expect("connected") // the second time; what was published before the cut may stand between
	for range 2 {
		device.expect("published: ")
	}
	for number, line := range device.printed("published: ") {
		if !holdsAll(line, []string{`"number":` + strconv.Itoa(number) + ",", `"result":"ok"`}) {
			t.Errorf("the device printed %q, want reading %d", line, number)
		}
	}
}
