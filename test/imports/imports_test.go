// Package imports holds the packages of pulsegate in their order: which may import which,
// and why. A trip of a message runs down one room and back the same way, and what a room
// does not import it cannot know.
package imports

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/pulsegate/pulsegate/"

// rule is what one room may import of the module. A room is a package and all below it,
// but for those that have a rule of their own; its packages may import each other.
type rule struct {
	room    string
	may     []string // rooms
	because string
}

var rules = []rule{
	{"topic", nil, "names are text: they are the same for clients, for brokers and for permissions"},
	{"codec", nil, "frames are bytes: what reads them can be tested and fuzzed without a socket or a broker"},
	{"memory", nil, "everyone counts here, so it can know nobody"},
	{"latency", nil, "the same"},
	{"inturn", nil, "who waits in line does not matter to the line"},
	{"seldom", nil, "whoever tells an operator what others bring about asks it when"},
	{"filename", nil, "whoever opens or shows a configured file asks it what may be shown"},
	{"keystore", []string{"filename"}, "it reads files of Java, whoever wants what is in them"},

	{"pulsar", []string{"pulsar/login", "pulsar/wire", "seldom", "topic"}, "the client to the brokers knows neither the bridge nor WebSocket: it could be a module of its own"},
	{"pulsar/login", []string{"filename"}, "a login is asked by connections, and knows none"},
	{"pulsar/wire", nil, "the protocol of the brokers is bytes: pure functions"},

	{"bridge", []string{"codec"}, "words that everybody shares: it knows no sockets and no broker, and nothing of who does what with sessions and upstreams"},
	{"bridge/pool", []string{"bridge"}, "what all rooms wait for: it does not know what is in a pool, so it fits each of them"},
	{"bridge/publish", []string{"bridge", "bridge/pool", "codec", "latency", "memory", "seldom"}, "what a producer session does, down and back: no other room can disturb it, and who counts its messages is not its concern"},
	{"bridge/subscribe", []string{"bridge", "bridge/pool", "codec", "latency", "memory", "seldom", "topic"}, "what a consumer session does, down and back: no other room can disturb it, and who counts its messages is not its concern"},
	{"bridge/read", []string{"bridge", "bridge/pool", "codec", "latency", "memory", "seldom", "topic"}, "what a reader session does, down and back: no other room can disturb it, and who counts its messages is not its concern"},
	{"bridge/census", []string{"bridge", "codec", "latency"}, "it counts what it is told, and does not know what sessions do"},
	{"bridge/hub", []string{"bridge", "bridge/census", "bridge/pool", "bridge/publish", "bridge/read", "bridge/subscribe", "memory"}, "it puts the rooms of the bridge together, and is the only one that knows them; of messages it knows nothing"},
	{"bridge/pulsar", []string{"bridge", "codec", "filename", "keystore", "memory", "pulsar", "pulsar/login", "pulsar/wire", "topic"}, "an upstream: what translates between the bridge and the client to the brokers knows both"},
	{"bridge/embedded", []string{"bridge", "codec", "topic"}, "an upstream without a broker, which must not come to need one"},

	{"auth", []string{"filename", "topic"}, "who a client is and what it may do is decided without knowing how it came and what for"},
	{"config", []string{"filename", "keystore"}, "keys and their meaning; what the rooms make of it the gateway says"},

	{"protocol", nil, "the description of the API is files"},
	{"operator", []string{"inturn"}, "it asks whatever tells it: a small interface, which it states itself"},
	{"operator/console", nil, "it is files"},
	{"operator/ask", []string{"operator"}, "it knows the answers, and nothing of who gives them"},

	{"server", []string{"auth", "bridge", "bridge/census", "codec", "inturn", "latency", "memory", "operator", "operator/console", "protocol", "seldom", "server/http1", "server/life", "server/proxyproto", "server/route", "server/tlsconf", "server/tlsio", "server/wheel", "topic"},
		"sockets and HTTP, and names of topics on their way from a request to who judges it; of what is behind the bridge it knows nothing, and of the configuration only its own options"},
	{"server/http1", nil, "requests are bytes"},
	{"server/life", nil, "the table of a connection's life is pure"},
	{"server/proxyproto", nil, "the PROXY header is bytes"},
	{"server/route", []string{"bridge", "codec", "topic"}, "it makes of a URL what the bridge is asked for, without a connection"},
	{"server/tlsconf", []string{"keystore"}, "certificates are read without a connection"},
	{"server/tlsio", nil, "TLS is bytes in and bytes out"},
	{"server/wheel", nil, "a wheel holds anything"},

	{"gateway", []string{"auth", "bridge", "bridge/embedded", "bridge/hub", "bridge/pulsar", "config", "keystore", "memory", "operator", "pulsar", "seldom", "server", "server/tlsconf"},
		"it puts the rooms together, and is the only one that knows both the configuration and what it is for"},
	{"client", nil, "what the command line sends speaks to any server of the protocol"},
	{"cmd/usage", []string{"config"}, "help for keys"},
	{"cmd/pulsegate", []string{"client", "cmd/usage", "config", "filename", "gateway", "operator/ask"}, "the command line wires and holds no logic"},

	{"bench", []string{"filename"}, "the load generator measures any server, so of this one it knows nothing"},
	{"cmd/pulsegate-bench", []string{"bench", "cmd/usage"}, "the same"},
	{"examples", nil, "they are for those who have nothing of this"},
}

// forTests are packages for tests alone: nothing else imports them.
var forTests = []string{"test", "conformance", "bridge/bridgetest", "bridge/sharingtest", "bridge/upstreamtest", "pulsar/fakebroker", "server/tlsconf/tlstest"}

// pure are rooms that open nothing by themselves.
var pure = []string{"topic", "codec", "latency", "memory", "pulsar/wire", "server/http1", "server/life", "server/proxyproto", "server/route", "server/tlsio", "server/wheel", "inturn"}

// heavy is pulsar-client-go's client, which the load generator compares with.
const heavy = "github.com/apache/pulsar-client-go/pulsar"

// in reports whether a package is in a room, or below it.
func in(pkg, room string) bool { return pkg == room || strings.HasPrefix(pkg, room+"/") }

func isForTests(pkg string) bool {
	return slices.ContainsFunc(forTests, func(room string) bool { return in(pkg, room) })
}

// ruleOf finds the rule of the closest room that pkg is in.
func ruleOf(pkg string) *rule {
	var found *rule
	for i := range rules {
		if r := &rules[i]; in(pkg, r.room) && (found == nil || len(r.room) > len(found.room)) {
			found = r
		}
	}
	return found
}

// violation says what is wrong with an import, "" for nothing.
func violation(pkg, imported string) string {
	r := ruleOf(pkg)
	if r == nil {
		return "there is no rule for it: say what it may import, and why"
	}
	if slices.Contains(pure, r.room) && slices.Contains([]string{"os", "syscall", "log/slog"}, imported) {
		return "it opens nothing by itself: " + r.because
	}
	if in(imported, heavy) && !in(pkg, "bench") {
		return "it brings the clients of Athenz and Kubernetes, 8 MB of a program; pulsar and pulsar/login do the same without them"
	}
	imported, ours := strings.CutPrefix(imported, module)
	if !ours {
		return ""
	}
	if isForTests(imported) {
		return "that is for tests"
	}
	if to := ruleOf(imported); to == nil || to != r && !slices.Contains(r.may, to.room) {
		return r.because
	}
	return ""
}

// imported finds what each package of the module imports, whatever the build tags, but for
// its tests. It reads the files itself, so that a change of them is one of this test's inputs.
func imported(t *testing.T) map[string][]string {
	const root = "../.."
	all := map[string][]string{}
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(dir)
		imports := all[pkg]
		for _, spec := range file.Imports {
			imports = append(imports, strings.Trim(spec.Path.Value, `"`))
		}
		all[pkg] = imports
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDirection(t *testing.T) {
	all := imported(t)
	if len(all) < 30 {
		t.Fatalf("%d packages were found", len(all))
	}
	lived := map[string]bool{} // rooms in which there is something
	for pkg, imports := range all {
		if r := ruleOf(pkg); r != nil {
			lived[r.room] = true
		}
		if isForTests(pkg) || in(pkg, "bench/cmd") { // that one compares with the Java proxy, and needs a cluster
			continue
		}
		for _, path := range imports {
			if text := violation(pkg, path); text != "" {
				t.Errorf("%s imports %s: %s", pkg, strings.TrimPrefix(path, module), text)
			}
		}
	}
	for _, r := range rules {
		for _, room := range append(r.may, r.room) {
			if !lived[room] {
				t.Errorf("the rule for %s speaks of %s, which is not there", r.room, room)
			}
		}
	}
}

// What must not be is seen.
func TestViolations(t *testing.T) {
	for _, tt := range []struct {
		pkg, imported string
		wrong         bool
	}{
		{"pulsar", module + "bridge", true},
		{"pulsar/wire", module + "pulsar", true},
		{"pulsar/login", heavy + "/auth", true},
		{"bench", heavy, false},
		{"bridge", module + "bridge/pulsar", true},
		{"bridge/read", module + "server", true},
		{"bridge/read", module + "bridge", false},
		{"bridge", module + "bridge/read", true},
		{"bridge/read", module + "bridge/subscribe", true},
		{"bridge/publish", module + "bridge/census", true},
		{"bridge/pool", module + "bridge/publish", true},
		{"bridge/pulsar", module + "bridge/hub", true},
		{"bridge/hub", module + "bridge/read", false},
		{"server", module + "bridge/hub", true},
		{"gateway", module + "bridge/bridgetest", true},
		{"server/life", module + "bridge", true},
		{"server/life", "os", true},
		{"server/other", module + "server/life", false},
		{"server", module + "config", true},
		{"config", module + "server", true},
		{"gateway", module + "pulsar/fakebroker", true},
		{"elsewhere", module + "topic", true},
		{"elsewhere", "fmt", true},
		{"codec", "fmt", false},
	} {
		if text := violation(tt.pkg, tt.imported); (text != "") != tt.wrong {
			t.Errorf("%s imports %s: %q", tt.pkg, tt.imported, text)
		}
	}
}
