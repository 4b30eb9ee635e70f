//go:build pulsar

// Package encryption exchanges encrypted messages with Pulsar's own client and with the Java proxy.
package encryption

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

func TestMain(m *testing.M) { pulsar.Main(m) }

const timeout = 3 * time.Minute

// keyDirectory makes two key pairs, in the forms that openssl writes.
func keyDirectory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"k1", "k2"} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		for file, block := range map[string]*pem.Block{name + ".pub.pem": {Type: "PUBLIC KEY", Bytes: public}, name + ".key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
			if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// native runs Pulsar's own client and returns the lines it prints.
func native(t *testing.T, args ...string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	lib, err := pulsar.Fetch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	source, err := filepath.Abs(filepath.Join("testdata", "Native.java"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "java", append([]string{
		"--add-opens", "java.base/java.nio=ALL-UNNAMED", "--add-opens", "java.base/jdk.internal.misc=ALL-UNNAMED",
		"-cp", filepath.Join(lib, "*"), source,
	}, args...)...)
	var out, log strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("Pulsar's client: %v\n%s%s", err, out.String(), log.String())
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		if line, ok := strings.CutPrefix(line, "> "); ok {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// dial opens a session; query holds parameters.
func dial(t *testing.T, server, kind, topic string, query url.Values) *websocket.Conn {
	t.Helper()
	path := "/ws/v2/" + kind + "/" + strings.Replace(topic, "://", "/", 1)
	if kind == "consumer" {
		path += "/s" + strconv.Itoa(int(time.Now().UnixNano()))
		query.Set("subscriptionInitialPosition", "Earliest")
	}
	c, resp, err := websocket.DefaultDialer.Dial(server+path+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatalf("%s: %v %v", path, err, resp)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(timeout))
	return c
}

type frame = map[string]any

func read(t *testing.T, c *websocket.Conn) (m frame) {
	t.Helper()
	if err := c.ReadJSON(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

func text(t *testing.T, m frame) string {
	t.Helper()
	payload, ok := m["payload"].(string)
	b, err := base64.StdEncoding.DecodeString(payload)
	if err != nil || !ok {
		t.Fatalf("payload of %v: %v", m, err)
	}
	return string(b)
}

func send(t *testing.T, c *websocket.Conn, m frame) {
	t.Helper()
	if err := c.WriteJSON(m); err != nil {
		t.Fatal(err)
	}
	if answer := read(t, c); answer["result"] != "ok" {
		t.Fatalf("answer %v", answer)
	}
}

// sealed reads messages that the server cannot decrypt, by their context.
func sealed(t *testing.T, server, topic string, n int) (all []frame) {
	t.Helper()
	c := dial(t, server, "consumer", topic, url.Values{"cryptoFailureAction": {"CONSUME"}})
	for range n {
		m := read(t, c)
		if m["encryptionContext"] == nil {
			t.Fatalf("no encryptionContext in %v", m)
		}
		delete(m, "publishTime") // Java leaves zeros at its end out
		all = append(all, m)
	}
	return all
}

// pass publishes what was read sealed as a client that encrypts by itself would.
func pass(t *testing.T, server, topic string, messages []frame) {
	t.Helper()
	var producer *websocket.Conn
	for _, m := range messages {
		e := m["encryptionContext"].(map[string]any)
		if producer == nil {
			keys, err := json.Marshal(e["keys"])
			if err != nil {
				t.Fatal(err)
			}
			producer = dial(t, server, "producer", topic, url.Values{"encryptionKeys": {base64.StdEncoding.EncodeToString(keys)}})
		}
		send(t, producer, frame{
			"payload": m["payload"], "properties": m["properties"], "key": m["key"], "encryptionParam": e["param"],
			"compressionType": e["compressionType"], "uncompressedMessageSize": e["uncompressedMessageSize"],
		})
	}
}

func TestEncryption(t *testing.T) {
	c := pulsar.Shared(t)
	namespace := "persistent://" + c.Namespace(t) + "/"
	dir := keyDirectory(t)
	blind := gateway.OnCluster(t, c, nil).URL()
	seeing := gateway.OnCluster(t, c, map[string]string{"cryptoKeyDirectory": dir}).URL()
	proxy, err := c.StartProxy(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Stop() })
	want := []string{"one", strings.Repeat("two ", 500) + "end"}
	var topics []string // that Pulsar's client reads at the end

	native(t, append([]string{"produce", c.BrokerURL(), dir, namespace + "native"}, want...)...)
	for _, name := range []string{"native-batched", "native-single", "native-onekey"} {
		for _, kind := range []string{"consumer", "reader"} {
			query := url.Values{}
			if kind == "reader" {
				query.Set("messageId", "earliest")
			}
			session := dial(t, seeing, kind, namespace+name, query)
			for _, w := range want {
				if m := read(t, session); text(t, m) != w || m["encryptionContext"] != nil || m["key"] != "key" {
					t.Errorf("%s of %s: %.200v", kind, name, m)
				}
			}
		}
	}

	topics = append(topics, namespace+"ours")
	producer := dial(t, seeing, "producer", namespace+"ours", url.Values{"encryptionKeys": {"k1, k2"}, "compressionType": {"ZSTD"}})
	for _, w := range want {
		send(t, producer, frame{"payload": base64.StdEncoding.EncodeToString([]byte(w)), "properties": frame{"p": "v"}})
	}

	for _, origin := range []string{"native-single", "native-onekey"} {
		ours, theirs := sealed(t, blind, namespace+origin, 2), sealed(t, proxy.URL(), namespace+origin, 2)
		if !reflect.DeepEqual(ours, theirs) {
			t.Errorf("%s is handed on as\n%v\nby the Java proxy as\n%v", origin, ours, theirs)
		}
		through := map[string]string{"us": blind, "java": proxy.URL()}
		if origin == "native-single" {
			delete(through, "java") // with two keys it answers every message with an error
		}
		for name, server := range through {
			for from, messages := range map[string][]frame{"us": ours, "java": theirs} {
				topic := namespace + origin + "-from-" + from + "-through-" + name
				pass(t, server, topic, messages)
				topics = append(topics, topic)
				if again := sealed(t, blind, topic, 2); !reflect.DeepEqual(again[1]["encryptionContext"], messages[1]["encryptionContext"]) {
					t.Errorf("%s: the context changed from\n%v\nto\n%v", topic, messages[1]["encryptionContext"], again[1]["encryptionContext"])
				}
			}
		}
	}

	var lines []string
	for _, topic := range topics {
		for _, w := range want {
			lines = append(lines, topic+" "+w+" p=v")
		}
	}
	if got := native(t, append([]string{"consume", c.BrokerURL(), dir, "2"}, topics...)...); !reflect.DeepEqual(got, lines) {
		t.Errorf("Pulsar's client reads\n%q\nwant\n%q", got, lines)
	}
}
