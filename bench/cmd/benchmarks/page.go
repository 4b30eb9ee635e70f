//go:build pulsar && linux

package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/pulsegate/pulsegate/bench"
)

//go:embed page.md
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// write writes the page and its charts.
func (m *measured) write(o *options) error {
	if len(m.Trials) == 0 && len(m.Records) == 0 && m.Codec == nil {
		return nil
	}
	if err := m.save(o.results); err != nil {
		return err
	}
	if err := m.drawCharts(o.charts); err != nil {
		return err
	}
	var b strings.Builder
	better, loaded := m.javaBetter()
	err := page.Execute(&b, map[string]any{
		"Machine": m.Machine, "Chart": func(alt, file string) string { return image(alt, filepath.Join(o.charts, file)) }, "Scenarios": o.file, "Codec": m.Codec,
		"Budgets": m.budgetTable(), "Payloads": m.payloadTable(), "Memory": m.memoryTable(), "Fanout": m.fanoutTable(),
		"Latency": m.latencyTable(), "Watching": m.watchingTable(), "Record": m.recordTable(), "Largest": m.largest(), "LargestText": m.largest().number(),
		"Sources": m.largest().sources(), "RecordVersion": m.largest().version(), "Ping": recordPing, "Slabs": m.slabText(),
		"All": m.allTable(), "Commands": m.commandTable(), "CodecTable": m.codecTable(true), "FramingTable": m.codecTable(false),
		"Better": better, "Loaded": loaded, "Quick": slices.ContainsFunc(m.Trials, func(t trial) bool { return t.Quick }),
	})
	if err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	return os.WriteFile(o.page, []byte(b.String()), 0o644)
}

// image is a line with a chart, if there is one.
func image(alt, path string) string {
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return fmt.Sprintf("![%s](%s)\n", alt, path)
}

// table is one of Markdown.
type table struct{ rows [][]string }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// String gives the first columns to the left, numbers to the right.
func (t *table) String() string {
	var b strings.Builder
	for i, row := range t.rows {
		for _, c := range row {
			if c == "" {
				c = "–"
			}
			b.WriteString("| " + strings.ReplaceAll(c, "|", "\\|") + " ")
		}
		b.WriteString("|\n")
		if i == 0 {
			b.WriteString("|---" + strings.Repeat("|--:", len(row)-1) + "|\n")
		}
	}
	return b.String()
}

// none is the text of a table without rows.
func (t *table) orNone() string {
	if len(t.rows) < 2 {
		return "Not measured yet.\n"
	}
	return t.String()
}

// cell is a figure of a contestant, or nothing.
func (m *measured) cell(trial, contestant string, f figure) (text string, value float64) {
	t := m.find(trial)
	if t == nil || t.of(contestant) == nil {
		return "", 0
	}
	if f.only != nil && !f.only(t) {
		return "", 0
	}
	if value = f.of(t.of(contestant)); value == 0 && !f.zero {
		return "", 0
	}
	return f.text(value), value
}

// isIdle: the sessions are only opened, on servers that were started for it.
func isIdle(t *trial) bool { return strings.HasPrefix(t.command(), "idle ") }

// isSettled: the sessions are there for so long that memory means something.
func isSettled(t *trial) bool { return isIdle(t) && !strings.HasPrefix(t.name(), "opening ") }

// isPaced: messages are sent at a fixed rate, so latencies say something of the server
// and rates nothing.
func isPaced(t *trial) bool {
	return strings.Contains(t.command(), "--rate ") && !strings.Contains(t.command(), "--rate 0")
}

// ratio says how much better ours is than theirs.
func ratio(theirs, ours float64, more bool) string {
	if theirs == 0 || ours == 0 {
		return ""
	}
	if more {
		return times(ours / theirs)
	}
	return times(theirs / ours)
}

func times(v float64) string {
	if v >= 10 {
		return fmt.Sprintf("%.0f ×", v)
	}
	return fmt.Sprintf("%.1f ×", v)
}

func (m *measured) budgetTable() string {
	t := &table{}
	t.add("what", "Java proxy", "pulsegate", "better by", "client-go alone", "goal")
	for _, b := range budgets {
		if m.find(b.trial) == nil {
			continue
		}
		theirs, v := m.cell(b.trial, java, b.figure)
		mine, w := m.cell(b.trial, ours, b.figure)
		alone := ""
		if b.figure.text(1) != cores.text(1) { // a client that only sends and receives has no idle sessions
			alone, _ = m.cell(b.trial, floor, b.figure)
		}
		t.add(b.what, theirs, mine, ratio(v, w, b.figure.more), alone, b.goal)
		if text, _ := m.cell(b.trial, embedded, b.figure); text != "" {
			goal := ""
			if b.what == "the same: p99" {
				goal = "≤ 1 ms"
			}
			t.add(b.what+", topics embedded", "", text, "", "", goal)
		}
	}
	m.eachWatched(func(x *trial, c watchingCost) {
		t.add("messages per CPU-second that scraped metrics and an open console cost: "+load(x), "", c.String(), "", "", "≤ "+percent(mostWatching))
	})
	return t.orNone()
}

func (m *measured) payloadTable() string {
	t := &table{}
	t.add("scenario", "messages/s: Java", "pulsegate", "client-go", "per CPU-second: Java", "pulsegate", "better by", "client-go", "p99: Java", "pulsegate", "client-go")
	for _, p := range payloads {
		if m.find(p.trial) == nil {
			continue
		}
		rate := published
		if strings.HasPrefix(p.trial, "end") {
			rate = received
		}
		row := []string{p.trial}
		for _, name := range []string{java, ours, floor} {
			text, _ := m.cell(p.trial, name, rate)
			row = append(row, text)
		}
		theirs, v := m.cell(p.trial, java, perCPU)
		mine, w := m.cell(p.trial, ours, perCPU)
		alone, _ := m.cell(p.trial, floor, perCPU)
		row = append(row, theirs, mine, ratio(v, w, true), alone)
		for _, name := range []string{java, ours, floor} {
			text, _ := m.cell(p.trial, name, p99)
			row = append(row, text)
		}
		t.add(row...)
	}
	return t.orNone()
}

// latencyTable has what is the broker's part of a latency.
func (m *measured) latencyTable() string {
	t := &table{}
	t.add("1 producer → 1 consumer at 2,000/s", "p50: Java", "pulsegate", "client-go", "p99: Java", "pulsegate", "client-go")
	for _, x := range []struct{ what, trial string }{{"as brokers are set up by default", paced}, {"`managedLedgerNewEntriesCheckDelayInMillis=0`", paced + promptly}} {
		if m.find(x.trial) == nil {
			continue
		}
		row := []string{x.what}
		for _, f := range []figure{p50, p99} {
			for _, name := range []string{java, ours, floor} {
				text, _ := m.cell(x.trial, name, f)
				row = append(row, text)
			}
		}
		t.add(row...)
	}
	return t.orNone()
}

func (m *measured) memoryTable() string {
	t := &table{}
	t.add("idle readers", "Java: total", "per session", "pulsegate: total", "per session", "better by")
	whole := figure{total, bench.Bytes, false, isSettled, false}
	for _, row := range memoryGrowth {
		if m.find(row.trial) == nil {
			continue
		}
		theirs, _ := m.cell(row.trial, java, whole)
		their1, v := m.cell(row.trial, java, memory)
		mine, _ := m.cell(row.trial, ours, whole)
		mine1, w := m.cell(row.trial, ours, memory)
		name := bench.Number(row.sessions)
		if row.sessions > 20_000 {
			name += fmt.Sprintf(", %d processes", processesOfServer)
		}
		t.add(name, theirs, their1, mine, mine1, ratio(v, w, false))
	}
	return t.orNone()
}

func (m *measured) fanoutTable() string {
	t := &table{}
	t.add("readers, 20 messages/s", "µs of CPU per delivery: Java", "pulsegate", "better by", "p99: Java", "pulsegate")
	cost := figure{perDelivery, func(v float64) string { return fmt.Sprintf("%.2f", v) }, false, nil, false}
	for _, row := range fanoutGrowth {
		if m.find(row.trial) == nil {
			continue
		}
		theirs, v := m.cell(row.trial, java, cost)
		mine, w := m.cell(row.trial, ours, cost)
		their99, _ := m.cell(row.trial, java, p99)
		mine99, _ := m.cell(row.trial, ours, p99)
		t.add(bench.Number(row.sessions), theirs, mine, ratio(v, w, false), their99, mine99)
	}
	return t.orNone()
}

// allTable has every figure, and what went wrong.
func (m *measured) allTable() string {
	t := &table{}
	t.add("scenario", "server", "published/s", "received/s", "per CPU-second", "p50", "p99", "memory/session", "CPU to open", "cores", "remarks")
	for i := range m.Trials {
		name := m.Trials[i].name()
		for _, c := range m.Trials[i].Compared.Contestants {
			row := []string{name, c.Name}
			for _, f := range []figure{published, received, perCPU, p50, p99, memory, openCPU, {cores.of, func(v float64) string { return fmt.Sprintf("%.3f", v) }, false, nil, true}} {
				text, _ := m.cell(name, c.Name, f)
				row = append(row, text)
			}
			t.add(append(row, m.Trials[i].remarks(c.Name))...)
		}
	}
	return t.orNone()
}

func (t *trial) remarks(contestant string) string {
	if o := outcomeOf(&t.Compared, contestant); o != nil {
		return o.Remarks()
	}
	return ""
}

func (m *measured) commandTable() string {
	t := &table{}
	t.add("scenario", "`pulsegate bench …`", "runs", "measured", "version")
	for i := range m.Trials {
		x := &m.Trials[i]
		runs := fmt.Sprint(x.Compared.Outcomes[0].Trial.RunsOf(x.Compared.Runs))
		if x.Quick {
			runs += " (short)"
		}
		t.add(x.name(), "`"+x.command()+"`", runs, x.Measured.Format("2006-01-02 15:04"), strings.TrimPrefix(x.Version, "pulsegate "))
	}
	return t.orNone()
}

// javaBetter lists the figures in which the Java proxy is better, and in loaded the latencies that are shorter while it carries fewer messages: as
// fast as it goes, each is at a load of its own.
func (m *measured) javaBetter() (list, loaded []string) {
	for i := range m.Trials {
		name := m.Trials[i].name()
		for _, f := range []struct {
			name string
			figure
		}{{"messages per CPU-second", perCPU}, {"messages published per second", published}, {"messages received per second", received},
			{"p50 latency", p50}, {"p99 latency", p99}, {"memory per session", memory}, {"CPU to open a session", openCPU}} {
			theirs, v := m.cell(name, java, f.figure)
			mine, w := m.cell(name, ours, f.figure)
			isRate := strings.HasSuffix(f.name, "per second")
			if v == 0 || w == 0 || isRate && isPaced(&m.Trials[i]) {
				continue
			}
			better := v / w
			if !f.more {
				better = w / v
			}
			if better <= noise {
				continue
			}
			text := fmt.Sprintf("%s: %s (%s; pulsegate %s)", name, f.name, theirs, mine)
			if load := m.load(name, ours) / m.load(name, java); load > noise && strings.HasSuffix(f.name, "latency") {
				loaded = append(loaded, fmt.Sprintf("%s at %s the messages", text, times(load)))
			} else {
				list = append(list, text)
			}
		}
	}
	return list, loaded
}

// load is how many messages per second a server carried, received ones where there are receivers.
func (m *measured) load(name, who string) float64 {
	for _, f := range []figure{received, published} {
		if _, v := m.cell(name, who, f); v > 0 {
			return v
		}
	}
	return 0
}

// noise is what two figures may differ by without one being better.
const noise = 1.05

// codecTable has the benchmarks with a counterpart elsewhere, or those without.
func (m *measured) codecTable(compared bool) string {
	if m.Codec == nil {
		return "Not measured yet.\n"
	}
	variants := []string{"codec", "goccy", "encoding-json", "encoding-base64"}
	type row map[string]timing
	rows, order := map[string]row{}, []string{}
	for _, r := range m.Codec.Results {
		name, variant := r.Name, "codec"
		if i := strings.LastIndexByte(r.Name, '/'); i > 0 && slices.Contains(variants, r.Name[i+1:]) {
			name, variant = r.Name[:i], r.Name[i+1:]
		}
		if rows[name] == nil {
			rows[name] = row{}
			order = append(order, name)
		}
		rows[name][variant] = r
	}
	t := &table{}
	text := func(r timing) string {
		if r.Name == "" {
			return ""
		}
		return fmt.Sprintf("%s / %d", bench.Number(r.Nanoseconds), r.Allocations)
	}
	if compared {
		t.add("benchmark", "codec", "goccy/go-json", "standard library", "better by")
	} else {
		t.add("benchmark", "ns / allocations")
	}
	for _, name := range order {
		r := rows[name]
		standard := r["encoding-json"]
		if standard.Name == "" {
			standard = r["encoding-base64"]
		}
		switch {
		case compared && len(r) > 1:
			t.add(name, text(r["codec"]), text(r["goccy"]), text(standard), ratio(standard.Nanoseconds, r["codec"].Nanoseconds, false))
		case !compared && len(r) == 1:
			t.add(name, text(r["codec"]))
		}
	}
	return t.orNone()
}
