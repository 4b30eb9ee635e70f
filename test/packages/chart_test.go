//go:build charts

package packages

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/pulsegate/pulsegate/test/gateway"
)

// kubernetes is the version that is rendered for, the newest that kubectl-validate brings the schemas of.
const kubernetes = "1.30"

const chart = "deploy/helm/pulsegate"

// tools are Kubernetes' ones, built from the versions that the Makefile names.
type tools struct{ dir string }

func buildTools(t *testing.T) tools {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"HELM", "VALIDATE"} {
		module := os.Getenv(name)
		if module == "" {
			t.Fatalf("%s names no version: run make charts", name)
		}
		output(t, "env", "GOBIN="+dir, "go", "install", module)
	}
	return tools{dir}
}

func (k tools) run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(k.dir, name), args...)
	// There is no cluster to ask.
	cmd.Dir, cmd.Env = top(t), append(os.Environ(), "KUBECONFIG=", "HOME="+k.dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// objects are Kubernetes objects by kind.
type objects map[string]map[string]any

// at follows a path of keys, and of 0 for a list's first element.
func (o objects) at(t *testing.T, kind string, path ...any) any {
	t.Helper()
	var v any = o[kind]
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[s]
		case int:
			l, _ := v.([]any)
			if s >= len(l) {
				t.Fatalf("%s: %v is not there", kind, path)
			}
			v = l[s]
		}
	}
	return v
}

// render renders a chart and has the outcome validated.
func (k tools) render(t *testing.T, chart string, args ...string) objects {
	t.Helper()
	out, err := k.run(t, "helm", append([]string{"template", "rel", chart, "--kube-version", kubernetes}, args...)...)
	if err != nil {
		t.Fatalf("helm template %q: %v\n%s", args, err, out)
	}
	file := filepath.Join(t.TempDir(), "rendered.yaml")
	writeFile(t, file, out)
	if checked, err := k.run(t, "kubectl-validate", "--version", kubernetes, "--local-crds", "test/packages/testdata/crds", file); err != nil {
		t.Errorf("kubectl-validate: %v\n%s\n%s", err, checked, out)
	}
	all := objects{}
	for d := yaml.NewDecoder(bytes.NewReader([]byte(out))); ; {
		var object map[string]any
		if err := d.Decode(&object); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if kind, ok := object["kind"].(string); ok {
			all[kind] = object
		}
	}
}

// refused returns what helm says about values that are wrong.
func (k tools) refused(t *testing.T, sets ...string) string {
	t.Helper()
	args := []string{"template", "rel", chart, "--kube-version", kubernetes}
	for _, set := range sets {
		args = append(args, "--set", set)
	}
	out, err := k.run(t, "helm", args...)
	if err == nil {
		t.Errorf("%q is taken", sets)
	}
	return out
}

const broker = "config.brokerServiceUrl=pulsar://broker:6650"

func TestCharts(t *testing.T) {
	k := buildTools(t)
	t.Run("lint", func(t *testing.T) {
		for _, values := range [][]string{{"--set", broker}, {"-f", "test/packages/testdata/all-values.yaml"}} {
			if out, err := k.run(t, "helm", append([]string{"lint", "--strict", "--kube-version", kubernetes, chart}, values...)...); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		}
	})
	t.Run("defaults", k.defaults)
	t.Run("everything", k.everything)
	t.Run("ports", k.ports)
	t.Run("mistakes", k.mistakes)
	t.Run("apache", k.apache)
}

func (k tools) defaults(t *testing.T) {
	o := k.render(t, chart, "--set", broker)
	for _, kind := range []string{"Deployment", "Service", "Secret", "ServiceAccount", "PodDisruptionBudget"} {
		if o[kind] == nil {
			t.Errorf("no %s", kind)
		}
	}
	for _, kind := range []string{"HorizontalPodAutoscaler", "ServiceMonitor", "NetworkPolicy"} {
		if o[kind] != nil {
			t.Errorf("a %s that nobody asked for", kind)
		}
	}
	if n := fmt.Sprint(o.at(t, "Deployment", "spec", "replicas")); n != "2" {
		t.Errorf("%s replicas", n)
	}
	checkConf(t, o)
}

// checkConf has the server read the configuration that pods get, and looks whether it knows each key.
func checkConf(t *testing.T, o objects) {
	t.Helper()
	text, ok := o.at(t, "Secret", "stringData", "websocket.conf").(string)
	if !ok {
		text, _ = o.at(t, "ConfigMap", "data", "websocket.conf").(string)
	}
	file := filepath.Join(t.TempDir(), "websocket.conf")
	writeFile(t, file, text)
	shown := output(t, "go", "run", "./cmd/pulsegate", "config", "show", "-c", file)
	number := 0
	for line := range strings.Lines(text) {
		number++
		key, _, _ := strings.Cut(line, "=")
		if want := fmt.Sprintf("# %s:%d\n%s=", file, number, key); !strings.Contains(shown, want) {
			t.Errorf("%s: the server does not know it", key)
		}
	}
	if number < 4 {
		t.Errorf("only %q", text)
	}
}

// All that can be switched on is valid, and does what it says.
func (k tools) everything(t *testing.T) {
	o := k.render(t, chart, "-f", "test/packages/testdata/all-values.yaml")
	if o.at(t, "Deployment", "spec", "replicas") != nil {
		t.Error("the number of replicas is set beside the autoscaler")
	}
	// 7 s + 41 s, and 5 s more.
	if n := fmt.Sprint(o.at(t, "Deployment", "spec", "template", "spec", "terminationGracePeriodSeconds")); n != "53" {
		t.Errorf("a pod has %s s to end", n)
	}
	conf, _ := o.at(t, "Secret", "stringData", "websocket.conf").(string)
	for _, want := range []string{"maxHttpServerConnections=1000000\n", "drainDelayMillis=7000\n", "drainSpreadMillis=30000\n", "drainTimeoutMillis=41000",
		`cryptoKeyDirectory=C:\\keys` + "\n", "webSocketCompression=true\n"} {
		if !strings.Contains(conf, want) {
			t.Errorf("no %q in\n%s", want, conf)
		}
	}
	checkMetric(t, o.at(t, "HorizontalPodAutoscaler", "spec", "metrics", 0, "pods", "metric", "name"))
	if target := o.at(t, "HorizontalPodAutoscaler", "spec", "metrics", 0, "pods", "target", "averageValue"); target != "1000000" {
		t.Errorf("the autoscaler's target is %v", target)
	}
}

// checkMetric looks for the autoscaler's metric where the server shows its own.
func checkMetric(t *testing.T, name any) {
	t.Helper()
	g := gateway.Start(t, gateway.Options{Embedded: true})
	resp, err := http.Get(g.HTTPURL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(page), fmt.Sprintf("\n%s{kind=\"consumer\"} ", name)) {
		t.Errorf("/metrics has no %v: %v", name, err)
	}
}

// Probes, the service and the monitor go where the server listens.
func (k tools) ports(t *testing.T) {
	container := []any{"spec", "template", "spec", "containers", 0}
	o := k.render(t, chart, "--set", broker, "--set", "config.webServicePort=", "--set", "config.webServicePortTls=8443", "--set", "serviceMonitor.enabled=true")
	for what, got := range map[string]any{
		"probe":   o.at(t, "Deployment", append(slices.Clone(container), "readinessProbe", "httpGet", "port")...),
		"service": o.at(t, "Service", "spec", "ports", 0, "targetPort"),
		"monitor": o.at(t, "ServiceMonitor", "spec", "endpoints", 0, "port"),
	} {
		if got != "https" {
			t.Errorf("only TLS: the %s asks at %v", what, got)
		}
	}
	// The kubelet does not speak the PROXY protocol.
	o = k.render(t, chart, "--set", broker, "--set", "config.webServiceHaProxyProtocolEnabled=true")
	if got := fmt.Sprint(o.at(t, "Deployment", append(slices.Clone(container), "readinessProbe", "exec", "command")...)); got != "[/usr/bin/pulsegate health -c /etc/pulsegate/websocket.conf --ready]" {
		t.Errorf("with the PROXY protocol the probe is %s", got)
	}
}

// A mistake in the values names itself.
func (k tools) mistakes(t *testing.T) {
	for _, tc := range []struct {
		sets []string
		want string
	}{
		{nil, "config.brokerServiceUrl="},
		{[]string{broker, "replicas=3"}, "replicas"},
		{[]string{broker, "drain.delaySeconds=soon"}, "delaySeconds"},
		{[]string{broker, "config.drainTimeoutMillis=5"}, "set it in seconds under drain"},
		{[]string{broker, "drain.spreadSeconds=81"}, "spreadSeconds is more than timeoutSeconds"},
		{[]string{broker, "config.webServicePort="}, "webServicePortTls must be set"},
		{[]string{broker, "autoscaling.minReplicas=11"}, "minReplicas is more than maxReplicas"},
		{[]string{broker, "config.bad key=1"}, "bad key"},
		{[]string{broker, "service.type=Nodeport"}, "service"},
	} {
		if out := k.refused(t, tc.sets...); !strings.Contains(out, tc.want) {
			t.Errorf("%q: %s", tc.sets, out)
		}
	}
}

// The values for Apache's chart make valid objects, in each of its modes.
func (k tools) apache(t *testing.T) {
	for name, sets := range map[string]string{
		"plain":       "extra=1",
		"public key":  "auth.authentication.enabled=true,auth.authentication.jwt.enabled=true,auth.authorization.enabled=true",
		"secret, TLS": "auth.authentication.enabled=true,auth.authentication.jwt.enabled=true,auth.authentication.jwt.usingSecretKey=true,tls.enabled=true,tls.broker.enabled=true",
	} {
		t.Run(name, func(t *testing.T) {
			o := k.render(t, "test/packages/testdata/pulsar", "-f", "deploy/helm/apache-pulsar-values.yaml", "--set", sets)
			for _, kind := range []string{"ConfigMap", "Deployment", "Service", "PodDisruptionBudget"} {
				if o[kind] == nil {
					t.Errorf("no %s", kind)
				}
			}
			checkConf(t, o)
			// What the configuration names is mounted.
			conf := fmt.Sprint(o.at(t, "ConfigMap", "data", "websocket.conf"))
			mounts := fmt.Sprint(o.at(t, "Deployment", "spec", "template", "spec", "containers", 0, "volumeMounts"))
			for _, dir := range []string{"/pulsar/keys", "/pulsar/tokens", "/pulsar/certs/ca"} {
				if strings.Contains(conf, dir+"/") != strings.Contains(mounts, "mountPath:"+dir+" ") {
					t.Errorf("%s: named %v, mounted %v", dir, strings.Contains(conf, dir), strings.Contains(mounts, dir))
				}
			}
		})
	}
}
