//go:build pulsar

// Package metrics lets a real Prometheus scrape a gateway in front of a real Pulsar, and asks it everything that the dashboard
// and the alert rules in deploy ask.
package metrics

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
	"github.com/pulsegate/pulsegate/test/child"
	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/port"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

func TestMain(m *testing.M) { pulsar.Main(m) }

// timeout bounds what is waited for; it takes seconds, except on a machine that is very busy.
const timeout = 3 * time.Minute

const deploy = "../../deploy"

// query is an expression and where it stands.
type query struct{ where, text string }

// dashboardQueries lists what the dashboard asks, with its variables filled in.
func dashboardQueries(t *testing.T) (list []query) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploy, "grafana", "pulsegate.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Templating struct {
			List []struct {
				Name, Type string
				Query      json.RawMessage
			}
		}
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$job", "pulsegate")
	for _, v := range dashboard.Templating.List {
		if v.Type != "query" {
			continue
		}
		var asks struct{ Query string }
		if err := json.Unmarshal(v.Query, &asks); err != nil {
			t.Errorf("variable %s: %v", v.Name, err)
		}
		list = append(list, query{"variable " + v.Name, fill.Replace(asks.Query)})
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			list = append(list, query{"panel " + p.Title, fill.Replace(target.Expr)})
		}
	}
	return list
}

// alertQueries lists what the alert rules ask.
func alertQueries(t *testing.T) (list []query) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploy, "prometheus", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			list = append(list, query{"alert " + r.Alert, r.Expr})
		}
	}
	return list
}

// prometheus starts one that scrapes the gateway every second, with the alert rules, and returns its address.
func prometheus(t *testing.T, target string) string {
	t.Helper()
	dir := t.TempDir()
	ports, err := port.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := filepath.Abs(filepath.Join(deploy, "prometheus", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\n"+
		"scrape_configs: [{job_name: pulsegate, static_configs: [{targets: [%q]}]}]\n", rules, target)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	at := "127.0.0.1:" + strconv.Itoa(ports[0])
	cmd := exec.Command("prometheus", "--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"),
		"--web.listen-address", at, "--log.level", "warn")
	wait, err := child.Start(cmd)
	if err != nil {
		t.Fatalf("start prometheus (make deps installs it): %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = wait() // it was killed
	})
	return "http://" + at
}

// labelValues is what a variable of a dashboard asks: the values that a label has in series. Grafana asks Prometheus
// for labels then.
var labelValues = regexp.MustCompile(`^label_values\((.+), *([a-z_]+)\)$`)

// ask runs a query as an operator would, and returns its lines.
func ask(t *testing.T, server string, q query) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	args := []string{"query", "instant", server, q.text}
	if m := labelValues.FindStringSubmatch(q.text); m != nil {
		args = []string{"query", "labels", "--match", m[1], server, m[2]}
	}
	out, err := exec.CommandContext(ctx, "promtool", args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v: %s\n%s", q.where, err, out, q.text)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// A panel shows something, a variable has values, and an alert does not fire: but for the certificate's, which is made for half a day, and
// those that tell of a busy machine, which this may be.
var (
	fires = map[string]bool{"alert PulsegateCertificateExpires": true}
	busy  = map[string]bool{"alert PulsegateEventLoopsLate": true, "alert PulsegatePublishesSlow": true, "alert PulsegateDeliveriesSlow": true}
)

var metricName = regexp.MustCompile(`\b(pulsegate|process|go)_[a-z_]+\b`)

func TestDashboardAndAlerts(t *testing.T) {
	c := pulsar.Shared(t)
	ports, err := port.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	cert := tlstest.New(t).Issue("server", "ecdsa")
	g := gateway.OnCluster(t, c, map[string]string{
		"webServicePortTls": strconv.Itoa(ports[0]), "tlsCertificateFilePath": cert.CertFile, "tlsKeyFilePath": cert.KeyFile,
		"metricsNamespaces": "5",
	})
	topic := "persistent/" + c.Namespace(t) + "/orders"
	if out, err := exec.Command(gateway.Binary(t), "produce", g.URL()+"/ws/v2/producer/"+topic, "a").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if resp, err := http.Get(g.HTTPURL() + "/ws/v2/nothing"); err != nil { // a refusal
		t.Fatal(err)
	} else {
		resp.Body.Close()
	}
	server := prometheus(t, strings.TrimPrefix(g.HTTPURL(), "http://"))

	// A rate needs two scrapes.
	deadline := time.Now().Add(timeout)
	for twice := (query{"two scrapes", `count_over_time(pulsegate_build_info[1m]) > 1`}); ; {
		out, err := exec.Command("promtool", "query", "instant", server, twice.text).CombinedOutput()
		if err == nil && strings.Contains(string(out), "pulsegate") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("prometheus has not scraped twice: %v: %s", err, out)
		}
		time.Sleep(100 * time.Millisecond) // between two questions
	}

	known := map[string]bool{}
	scraped := g.Metrics()
	for name := range scraped {
		name, _, _ = strings.Cut(name, "{")
		known[name] = true
	}
	explained(t, scraped)
	queries := append(dashboardQueries(t), alertQueries(t)...)
	if len(queries) < 71 {
		t.Errorf("only %d queries were found", len(queries))
	}
	for _, q := range queries {
		for _, name := range metricName.FindAllString(q.text, -1) {
			if !known[name] {
				t.Errorf("%s: there is no metric %s", q.where, name)
			}
		}
		lines := ask(t, server, q)
		if shows := lines[0] != ""; shows != (!strings.HasPrefix(q.where, "alert") || fires[q.where]) && !busy[q.where] {
			t.Errorf("%s: %q\n%s", q.where, lines, q.text)
		}
	}

	g.Kill()
	down := query{"alert PulsegateDown, of a gateway that is down", `up{job=~".*pulsegate.*"} == 0`}
	for lines := []string{""}; lines[0] == ""; lines = ask(t, server, down) {
		if time.Now().After(deadline) {
			t.Fatal(down.where)
		}
		time.Sleep(100 * time.Millisecond) // between two questions
	}
}

// inTable and inText are metrics that the document on monitoring names, with their labels.
var (
	inTable = regexp.MustCompile("(?m)^\\| (`[a-z_{},` ]+`) \\| ")
	oneName = regexp.MustCompile("`([a-z_]+)(?:\\{([a-z,]+)\\})?`")
	ofTimes = regexp.MustCompile("_(bucket|sum|count)$")
	labels  = regexp.MustCompile(`([a-z]+)="`)
)

// explained compares what a gateway tells with what the document says that it tells.
func explained(t *testing.T, scraped map[string]float64) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "monitoring.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	said := map[string]string{}
	for _, cell := range inTable.FindAllStringSubmatch(page, -1) {
		for _, m := range oneName.FindAllStringSubmatch(cell[1], -1) {
			said["pulsegate_"+m[1]] = m[2]
		}
	}
	for _, m := range oneName.FindAllStringSubmatch(page, -1) {
		if strings.HasPrefix(m[1], "namespace_") {
			said["pulsegate_"+m[1]] = "namespace"
		}
	}
	told := map[string]string{}
	for series := range scraped {
		name, of, _ := strings.Cut(series, "{")
		if !strings.HasPrefix(name, "pulsegate_") {
			continue
		}
		name = ofTimes.ReplaceAllString(name, "")
		var list []string
		for _, m := range labels.FindAllStringSubmatch(of, -1) {
			if m[1] != "le" {
				list = append(list, m[1])
			}
		}
		slices.Sort(list)
		told[name] = strings.Join(list, ",")
	}
	for name, of := range told {
		as, ok := said[name]
		list := strings.Split(as, ",")
		slices.Sort(list)
		if !ok || strings.Join(list, ",") != of {
			t.Errorf("docs/monitoring.md: %s has the labels {%s}, explained are {%s}", name, of, as)
		}
	}
	for name := range said {
		if _, ok := told[name]; !ok {
			t.Errorf("docs/monitoring.md: there is no %s", name)
		}
	}
	if len(said) < 50 {
		t.Errorf("only %d metrics are explained", len(said))
	}
}

// TestAlertsFire lets promtool run the rules over series that were made up, and wants a test of each rule in which it fires.
func TestAlertsFire(t *testing.T) {
	const tests = "alerts_test.yaml"
	if out, err := exec.Command("promtool", "test", "rules", tests).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	text, err := os.ReadFile(tests)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tests []struct {
			Alerts []struct {
				Alert    string           `yaml:"alertname"`
				Expected []map[string]any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, a := range test.Alerts {
			name := "alert " + a.Alert
			fires[name] = fires[name] || len(a.Expected) > 0
			silent[name] = silent[name] || len(a.Expected) == 0
		}
	}
	for _, q := range alertQueries(t) {
		if !fires[q.where] || !silent[q.where] {
			t.Errorf("%s: %s tells whether it fires: %t, and whether it keeps silent: %t", q.where, tests, fires[q.where], silent[q.where])
		}
	}
}

// TestRulesAndMetricsAreWellFormed by promtool's own judgement.
func TestRulesAndMetricsAreWellFormed(t *testing.T) {
	if out, err := exec.Command("promtool", "check", "rules", filepath.Join(deploy, "prometheus", "alerts.yaml")).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	g := gateway.Start(t, gateway.Options{Embedded: true})
	resp, err := http.Get(g.HTTPURL() + "/metrics/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	check := exec.Command("promtool", "check", "metrics")
	check.Stdin = resp.Body
	out, err := check.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "pulsegate_") { // the rest is the libraries'
			t.Error(line)
		}
	}
	if err != nil && len(out) == 0 {
		t.Error(err)
	}
}
