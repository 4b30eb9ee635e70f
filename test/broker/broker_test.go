//go:build pulsar

// Package broker runs pulsegate as the WebSocket service of a broker, beside it and in its place, with the broker's own
// configuration file and every client that a broker has.
package broker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	client "github.com/apache/pulsar-client-go/pulsar"

	ws "github.com/pulsegate/pulsegate/client"
	"github.com/pulsegate/pulsegate/conformance"
	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/port"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

// namespace is where everything happens. The role user may do what it likes there, and nobody else but the admin.
const namespace = "public/default"

// secured starts a broker with logins and permissions that keeps packages, of any size.
func secured(t *testing.T) *pulsar.Cluster {
	t.Helper()
	conf := map[string]string{
		"enablePackagesManagement":          "true",
		"packagesManagementStorageProvider": "org.apache.pulsar.packages.management.storage.filesystem.FileSystemPackagesStorageProvider",
		"STORAGE_PATH":                      t.TempDir(),
	}
	maps.Copy(conf, conformance.SecureBroker())
	c, err := pulsar.Start(t.Context(), pulsar.Options{BrokerConf: conf, Token: conformance.Token(conformance.AdminRole)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the broker's log ends with:\n%s", c.BrokerLog())
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Admin.Do(t.Context(), http.MethodPost, "/admin/v2/namespaces/"+namespace+"/permissions/user", []string{"produce", "consume", "packages"}, nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// inPlace is the broker's file as it was before the broker had to give its web port away.
func inPlace(t *testing.T, c *pulsar.Cluster) (file string, webPort string) {
	t.Helper()
	text, err := os.ReadFile(c.Conf())
	if err != nil {
		t.Fatal(err)
	}
	ports, err := port.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	webPort = strconv.Itoa(ports[0])
	_, now, _ := strings.Cut(strings.TrimPrefix(c.AdminURL(), "http://"), ":")
	file = filepath.Join(t.TempDir(), "broker.conf")
	was := strings.Replace(string(text), "webServicePort="+now+"\n", "webServicePort="+webPort+"\n", 1)
	if was == string(text) {
		t.Fatalf("no webServicePort=%s in %s", now, text)
	}
	if err := os.WriteFile(file, []byte(was), 0o644); err != nil {
		t.Fatal(err)
	}
	return file, webPort
}

func TestOneAddress(t *testing.T) {
	c := secured(t)
	file, webPort := inPlace(t, c)
	for name, o := range map[string]gateway.Options{
		"beside":   {BrokerConf: c.Conf()},
		"in place": {BrokerConf: file, Conf: map[string]string{"brokerWebServiceUrl": c.AdminURL(), "webServicePort": webPort}},
	} {
		t.Run(name, func(t *testing.T) {
			o.Env = []string{"GOGC=50"} // garbage would be counted as what it holds
			g := gateway.Start(t, o)
			t.Run("admin API", func(t *testing.T) { adminAPI(t, g) })
			t.Run("lookup over HTTP", func(t *testing.T) { lookup(t, g) })
			t.Run("packages", func(t *testing.T) { packages(t, g) })
			t.Run("sessions", func(t *testing.T) { sessions(t, g) })
			t.Run("metrics", func(t *testing.T) { metrics(t, g) })
		})
	}
}

// adminAPI: who may do what is the broker's to decide, by what the client shows of itself.
func adminAPI(t *testing.T, g *gateway.Gateway) {
	admin := &pulsar.Admin{URL: g.HTTPURL(), Token: conformance.Token(conformance.AdminRole)}
	var tenants []string
	if err := admin.Do(t.Context(), http.MethodGet, "/admin/v2/tenants", nil, &tenants); err != nil || len(tenants) == 0 {
		t.Errorf("tenants %v, %v", tenants, err)
	}
	tenant := pulsar.Name("tenant")
	if err := admin.CreateTenant(t.Context(), tenant, "standalone"); err != nil {
		t.Error(err)
	}
	if err := admin.Do(t.Context(), http.MethodDelete, "/admin/v2/tenants/"+tenant, nil, nil); err != nil {
		t.Error(err)
	}
	for _, token := range []string{"", "nonsense", conformance.Token("user")} {
		admin := &pulsar.Admin{URL: g.HTTPURL(), Token: token}
		err := admin.Do(t.Context(), http.MethodGet, "/admin/v2/tenants", nil, nil)
		if status, ok := err.(*pulsar.StatusError); !ok || status.Code != 401 {
			t.Errorf("token %q: %v", token, err)
		}
	}
	err := admin.Do(t.Context(), http.MethodGet, "/admin/v2/tenants/nobody", nil, nil)
	if status, ok := err.(*pulsar.StatusError); !ok || status.Code != 404 || !strings.Contains(status.Reason, "Tenant does not exist") {
		t.Errorf("a tenant that is not there: %v", err)
	}
}

// lookup: Pulsar's native client finds its topic through the address, and then goes to the broker.
func lookup(t *testing.T, g *gateway.Gateway) {
	c, err := client.NewClient(client.ClientOptions{URL: g.HTTPURL(), Authentication: client.NewAuthenticationToken(conformance.Token("user"))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	topic := "persistent://" + namespace + "/" + pulsar.Name("t")
	consumer, err := c.Subscribe(client.ConsumerOptions{Topic: topic, SubscriptionName: "s"})
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	producer, err := c.CreateProducer(client.ProducerOptions{Topic: topic})
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if _, err := producer.Send(t.Context(), &client.ProducerMessage{Payload: []byte("native")}); err != nil {
		t.Fatal(err)
	}
	m, err := consumer.Receive(t.Context())
	if err != nil || string(m.Payload()) != "native" {
		t.Fatalf("%v, %v", m, err)
	}
}

// packageSize is more than all buffers on the way hold together.
const packageSize = 64 << 20

// packages: what is long goes through whole, there and back, and takes no memory on the way.
func packages(t *testing.T, g *gateway.Gateway) {
	before := rss(t, g.Pid())
	var seed [32]byte
	sent, got := sha256.New(), sha256.New()
	r, w := io.Pipe()
	form := multipart.NewWriter(w)
	go func() {
		part, err := form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="metadata"`}, "Content-Type": {"application/json"}})
		if err == nil {
			_, err = io.WriteString(part, `{"description":"long"}`)
		}
		if err == nil {
			part, err = form.CreateFormFile("file", "f.jar")
		}
		if err == nil {
			_, err = io.CopyN(io.MultiWriter(part, sent), rand.NewChaCha8(seed), packageSize)
		}
		if err == nil {
			err = form.Close()
		}
		_ = w.CloseWithError(err)
	}()
	url := g.HTTPURL() + "/admin/v3/packages/function/" + namespace + "/" + pulsar.Name("p") + "/v1"
	for _, tc := range []struct {
		method string
		body   io.Reader
		kind   string
	}{{http.MethodPost, r, form.FormDataContentType()}, {http.MethodGet, nil, ""}} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, url, tc.body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+conformance.Token(conformance.AdminRole))
		if tc.body != nil {
			req.Header.Set("Content-Type", tc.kind)
			req.Header.Set("Expect", "100-continue")
		}
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			t.Fatal(tc.method, err)
		}
		if resp.StatusCode/100 != 2 {
			text, _ := io.ReadAll(resp.Body)
			t.Fatalf("%s: %s %s", tc.method, resp.Status, text)
		}
		if tc.method == http.MethodGet {
			_, err = io.Copy(got, resp.Body)
		}
		resp.Body.Close()
		if err != nil {
			t.Fatalf("%s: %v", tc.method, err)
		}
	}
	if !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
		t.Error("another package came back")
	}
	after := rss(t, g.Pid())
	t.Logf("%d MiB of memory before, %d MiB at most for two times %d MiB", before>>20, after>>20, packageSize>>20)
	if after-before > packageSize/2 {
		t.Errorf("%d bytes more than %d after a package of %d", after-before, before, packageSize)
	}
}

// sessions: the permissions are those of the broker's file and of the broker.
func sessions(t *testing.T, g *gateway.Gateway) {
	topic := "/persistent/" + namespace + "/" + pulsar.Name("t")
	as := func(role string) http.Header {
		return http.Header{"Authorization": {"Bearer " + conformance.Token(role)}}
	}
	var sent, received bytes.Buffer
	if err := ws.Produce(t.Context(), g.URL()+"/ws/v2/producer"+topic, as("user"), []string{"found"}, &sent); err != nil {
		t.Fatal(err)
	}
	url := g.URL() + "/ws/v2/consumer" + topic + "/s?subscriptionInitialPosition=Earliest"
	if err := ws.Consume(t.Context(), url, as("user"), 1, &received); err != nil || !strings.Contains(received.String(), `"found"`) {
		t.Fatalf("%v, received %q", err, received.String())
	}
	for role, want := range map[string]string{"stranger": "403", "": "401"} {
		header := as(role)
		if role == "" {
			header = nil
		}
		if err := ws.Produce(context.WithoutCancel(t.Context()), g.URL()+"/ws/v2/producer"+topic, header, []string{"x"}, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("role %q: %v, want %s", role, err, want)
		}
	}
}

func metrics(t *testing.T, g *gateway.Gateway) {
	for path, want := range map[string]string{"/metrics/": "pulsar_", "/pulsegate/metrics": "pulsegate_connections"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.HTTPURL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+conformance.Token(conformance.AdminRole))
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(text), want) {
			t.Errorf("%s: %s, %v, %d bytes %.100q", path, resp.Status, err, len(text), text)
		}
	}
}

// rss is the most memory that a process has had, in bytes.
func rss(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(text), "VmHWM:")
	kb := 0
	if _, err := fmt.Sscanf(strings.TrimSpace(line), "%d kB", &kb); err != nil {
		t.Fatal(err)
	}
	return kb << 10
}
