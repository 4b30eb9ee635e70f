//go:build linux

// Package report draws results of the load generator as one HTML page that needs
// nothing else: no scripts, no network.
package report

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulsegate/pulsegate/bench"
)

// Section is one scenario with the results to compare in it.
type Section struct {
	Title   string
	Entries []Entry
}

// Entry is a result with the name to show for it.
type Entry struct {
	Name   string
	Result *bench.Result
}

// ErrFormat is wrapped for a file that holds no result.
var ErrFormat = errors.New("not a result of pulsegate bench")

// Read reads result files, of single runs or of comparisons. Single runs of the
// same scenario share a section.
func Read(paths []string) ([]Section, error) {
	var sections []Section
	add := func(title string, e Entry) {
		for i := range sections {
			if sections[i].Title == title {
				sections[i].Entries = append(sections[i].Entries, e)
				return
			}
		}
		sections = append(sections, Section{title, []Entry{e}})
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var file struct {
			bench.Result
			Outcomes []bench.Outcome `json:"outcomes"`
		}
		if err := json.Unmarshal(b, &file); err != nil {
			return nil, fmt.Errorf("%s: %w: %w", path, ErrFormat, err)
		}
		switch {
		case len(file.Outcomes) > 0:
			for _, o := range file.Outcomes {
				// One of the runs: lines of several cannot be told apart.
				if n := len(o.Results); n > 0 {
					add(o.Trial.Name, Entry{o.Contestant, o.Results[n/2]})
				}
			}
		case file.Scenario != "":
			name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
			add(file.Scenario, Entry{name, &file.Result})
		default:
			return nil, fmt.Errorf("%s: %w", path, ErrFormat)
		}
	}
	return sections, nil
}

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// Write writes the page.
func Write(to io.Writer, sections []Section) error {
	type figure struct {
		Title string
		Chart template.HTML
	}
	type view struct {
		Title   string
		Head    []string
		Rows    [][]string
		Remarks []string
		Figures []figure
	}
	var views []view
	for _, s := range sections {
		v := view{Title: s.Title}
		v.Head, v.Rows = table(s.Entries)
		for _, e := range s.Entries {
			for _, w := range e.Result.Generator.Warnings {
				v.Remarks = append(v.Remarks, e.Name+": "+w)
			}
		}
		for _, f := range figures {
			c, err := f.draw(s.Entries)
			if err != nil {
				return fmt.Errorf("%s: %w", f.title, err)
			}
			if c != nil {
				v.Figures = append(v.Figures, figure{f.title, template.HTML(c)})
			}
		}
		views = append(views, v)
	}
	return page.Execute(to, views)
}

// table has a row for each figure and a column for each result.
func table(entries []Entry) (head []string, rows [][]string) {
	head = []string{""}
	for _, e := range entries {
		head = append(head, e.Name)
	}
	row := func(name string, text func(*bench.Result) string) {
		cells, some := []string{name}, false
		for _, e := range entries {
			t := text(e.Result)
			some = some || t != ""
			cells = append(cells, t)
		}
		if some {
			rows = append(rows, cells)
		}
	}
	number := func(name string, value func(*bench.Result) float64, write func(float64) string) {
		row(name, func(r *bench.Result) string {
			if v := value(r); v != 0 {
				return write(v)
			}
			return ""
		})
	}
	row("target", func(r *bench.Result) string { return r.Target })
	number("sessions open", func(r *bench.Result) float64 { return float64(r.Sessions.Open) }, bench.Number)
	number("published/s", func(r *bench.Result) float64 { return r.Rates.Published }, bench.Number)
	number("received/s", func(r *bench.Result) float64 { return r.Rates.Received }, bench.Number)
	for _, l := range latencies {
		row(l.name+", p50 / p99 / p99.99 / max ms", func(r *bench.Result) string {
			p := l.of(r)
			if p.Count == 0 {
				return ""
			}
			return strings.Join([]string{bench.Millis(p.P50), bench.Millis(p.P99), bench.Millis(p.P9999), bench.Millis(p.Max)}, " / ")
		})
	}
	row("server: cores", func(r *bench.Result) string {
		if r.Server == nil {
			return ""
		}
		return fmt.Sprintf("%.3f", r.Server.Cores)
	})
	server := func(f func(*bench.Server) float64) func(*bench.Result) float64 {
		return func(r *bench.Result) float64 {
			if r.Server == nil {
				return 0
			}
			return f(r.Server)
		}
	}
	number("published per CPU-second", server(func(s *bench.Server) float64 { return s.PublishedPerCPU }), bench.Number)
	number("received per CPU-second", server(func(s *bench.Server) float64 { return s.ReceivedPerCPU }), bench.Number)
	number("memory at the end", server(func(s *bench.Server) float64 { return float64(s.MemoryEnd) }), bench.Bytes)
	row("lost / repeated / out of order", func(r *bench.Result) string {
		m := r.Messages
		return fmt.Sprintf("%d / %d / %d", m.Lost, m.Repeated, m.Reordered)
	})
	return head, rows
}
