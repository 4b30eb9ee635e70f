package conformance

import (
	"fmt"
	"io"
	"strings"
)

// Results holds the outcomes of each target that ran, by case.
type Results map[Kind]map[string]Outcome

// WriteMatrix writes the results as Markdown: a table for each area with a line
// for each case, and a summary. It returns how many outcomes are not as the table
// says.
func WriteMatrix(w io.Writer, areas []Area, results Results) (wrong int, err error) {
	var kinds []Kind
	for _, k := range Kinds {
		if results[k] != nil {
			kinds = append(kinds, k)
		}
	}
	var b strings.Builder
	b.WriteString("# Conformance\n\n")
	b.WriteString("One table of cases, run against pulsegate on its embedded upstream (embedded), pulsegate on a real\n" +
		"Apache Pulsar 4.0.7 broker (broker) and the Java WebSocket proxy 4.0.7 on the same broker (java).\n" +
		"A case that Java fails is marked **better** with the reason, one that pulsegate fails **worse**; the suite\n" +
		"fails when such a mark is wrong.\n\n")
	summary := &tally{}
	var body strings.Builder
	for _, a := range areas {
		fmt.Fprintf(&body, "\n## %s\n\n| case | given, then |", a.Name)
		for _, k := range kinds {
			fmt.Fprintf(&body, " %s |", k)
		}
		body.WriteString(" notes |\n|---|---|" + strings.Repeat("---|", len(kinds)) + "---|\n")
		for _, c := range a.Cases {
			writeCase(&body, c, kinds, results, summary)
		}
	}
	summary.write(&b, kinds)
	b.WriteString(body.String())
	if _, err := io.WriteString(w, b.String()); err != nil {
		return summary.wrong, fmt.Errorf("writing the matrix: %w", err)
	}
	return summary.wrong, nil
}

// tally counts outcomes for the summary.
type tally struct {
	cases, wrong            int
	passed, failed, skipped map[Kind]int
	better, worse           int
}

func (s *tally) count(k Kind, word string) {
	if s.passed == nil {
		s.passed, s.failed, s.skipped = map[Kind]int{}, map[Kind]int{}, map[Kind]int{}
	}
	switch word {
	case "pass":
		s.passed[k]++
	case "n/a":
		s.skipped[k]++
	default:
		s.failed[k]++
	}
}

func (s *tally) write(b *strings.Builder, kinds []Kind) {
	fmt.Fprintf(b, "**%d cases, %d of them better than Java, %d worse.**", s.cases, s.better, s.worse)
	for _, k := range kinds {
		fmt.Fprintf(b, " %s: %d passed, %d failed, %d n/a.", k, s.passed[k], s.failed[k], s.skipped[k])
	}
	if s.wrong > 0 {
		fmt.Fprintf(b, " **%d outcomes are not as they should be.**", s.wrong)
	}
	b.WriteString("\n")
}

func writeCase(b *strings.Builder, c Case, kinds []Kind, results Results, s *tally) {
	s.cases++
	var notes []string
	if c.Better != "" {
		s.better++
		notes = append(notes, "**better**: "+c.Better)
	}
	if c.Worse != "" {
		s.worse++
		notes = append(notes, "**worse**: "+c.Worse)
	}
	fmt.Fprintf(b, "| `%s` | %s |", c.ID, cell(c.Text))
	for _, k := range kinds {
		o := results[k][c.ID]
		word := "FAIL"
		switch {
		case o.Skipped != "":
			word = "n/a"
			notes = append(notes, fmt.Sprintf("%s: %s", k, o.Skipped))
		case o.Passed:
			word = "pass"
		case k == Java && c.Better != "", k == Broker && c.Worse != "":
			word = "fails"
		}
		if Verdict(k, c, o) != "" {
			s.wrong++
			word += " (!)"
		}
		s.count(k, strings.TrimSuffix(word, " (!)"))
		fmt.Fprintf(b, " %s |", word)
	}
	fmt.Fprintf(b, " %s |\n", cell(strings.Join(notes, "; ")))
}

// cell makes a text fit into a cell of a Markdown table.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", "\n", " ").Replace(text)
}
