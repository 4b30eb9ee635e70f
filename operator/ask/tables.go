package ask

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/pulsegate/pulsegate/operator"
)

// column is one column of a table of T.
type column[T any] struct {
	head string
	cell func(*T) string
}

// table prints rows in columns. What clients have named is made fit for a terminal.
func table[T any](w io.Writer, columns []column[T], rows []T) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	heads := make([]string, len(columns))
	for i, c := range columns {
		heads[i] = c.head
	}
	fmt.Fprintln(out, strings.Join(heads, "\t"))
	for i := range rows {
		cells := make([]string, len(columns))
		for j, c := range columns {
			cells[j] = visible(c.cell(&rows[i]))
		}
		fmt.Fprintln(out, strings.Join(cells, "\t"))
	}
	return out.Flush()
}

// visible writes what a terminal would obey, or not show, as escapes.
func visible(s string) string {
	if s == "" {
		return "-"
	}
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

func number[N int | int64 | uint64](n N) string { return fmt.Sprint(n) }

// seconds writes a time that has passed.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < time.Minute {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// size writes a size in the unit that leaves few digits.
func size(n int64) string {
	const units = "KMGT"
	if n < 1024 {
		return fmt.Sprint(n)
	}
	value, unit := float64(n)/1024, 0
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	return fmt.Sprintf("%.1f%ci", value, units[unit])
}

// ids writes the first of a list of ids, and how many more there are.
func ids(list []uint64) string {
	const most = 3
	texts := make([]string, 0, most+1)
	for _, id := range list[:min(len(list), most)] {
		texts = append(texts, number(id))
	}
	if more := len(list) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("+%d", more))
	}
	return strings.Join(texts, ",")
}

// short leaves out of a topic's name what goes without saying.
func short(topic string) string { return strings.TrimPrefix(topic, "persistent://") }

// Rates are messages a second by a session's id. Without one a session has none that is known.
type Rates map[uint64]float64

// ratesSince are those since an earlier answer, from which passed has passed.
func ratesSince(before, now []operator.Session, passed time.Duration) Rates {
	messages := make(map[uint64]uint64, len(before))
	for i := range before {
		messages[before[i].ID] = before[i].Messages
	}
	rates := Rates{}
	for i := range now {
		if earlier, ok := messages[now[i].ID]; ok {
			rates[now[i].ID] = float64(now[i].Messages-earlier) / passed.Seconds()
		}
	}
	return rates
}

func (r Rates) of(s *operator.Session) string {
	if rate, ok := r[s.ID]; ok {
		return fmt.Sprintf("%.0f/s", rate)
	}
	return ""
}

// PrintSessions prints a page of sessions.
func PrintSessions(w io.Writer, page operator.Sessions, now time.Time) error {
	return printRated(w, page, nil, now)
}

// printRated is PrintSessions with the sessions' rates, unless those are nil.
func printRated(w io.Writer, page operator.Sessions, rates Rates, now time.Time) error {
	columns := []column[operator.Session]{
		{"ID", func(s *operator.Session) string { return number(s.ID) }},
		{"KIND", func(s *operator.Session) string { return s.Kind }},
		{"ROLE", func(s *operator.Session) string { return s.Role }},
		{"ADDRESS", func(s *operator.Session) string { return s.Address.String() }},
		{"AGE", func(s *operator.Session) string { return seconds(now.Sub(s.Opened).Seconds()) }},
		{"IDLE", func(s *operator.Session) string { return seconds(s.IdleSeconds) }},
		{"MESSAGES", func(s *operator.Session) string { return number(s.Messages) }},
		{"UNACKED", func(s *operator.Session) string { return number(s.Unacknowledged) }},
		{"UNSENT", func(s *operator.Session) string { return size(s.UnsentBytes) }},
		{"SLOW", func(s *operator.Session) string { return seconds(s.SlowSeconds) }},
		{"UPSTREAM", func(s *operator.Session) string { return ids(s.Upstream) }},
		{"TOPIC", func(s *operator.Session) string { return short(s.Topic) }},
		{"SUBSCRIPTION", func(s *operator.Session) string { return s.Subscription }},
		{"AGENT", func(s *operator.Session) string { return s.UserAgent }},
	}
	if rates != nil {
		columns = slices.Insert(columns, 7, column[operator.Session]{"RATE", rates.of})
	}
	return table(w, columns, page.Sessions)
}

// PrintTopics prints a page of topics.
func PrintTopics(w io.Writer, page operator.Topics) error {
	return table(w, []column[operator.Topic]{
		{"SESSIONS", func(t *operator.Topic) string { return number(t.Sessions) }},
		{"PRODUCERS", func(t *operator.Topic) string { return number(t.Producers) }},
		{"CONSUMERS", func(t *operator.Topic) string { return number(t.Consumers) }},
		{"READERS", func(t *operator.Topic) string { return number(t.Readers) }},
		{"PUBLISHED", func(t *operator.Topic) string { return number(t.Published) }},
		{"DELIVERED", func(t *operator.Topic) string { return number(t.Delivered) }},
		{"UNACKED", func(t *operator.Topic) string { return number(t.Unacknowledged) }},
		{"UNSENT", func(t *operator.Topic) string { return size(t.UnsentBytes) }},
		{"SLOW", func(t *operator.Topic) string { return number(t.Slow) }},
		{"TOPIC", func(t *operator.Topic) string { return short(t.Topic) }},
	}, page.Topics)
}

// PrintClients prints a page of what the gateway has at the brokers, and how many sessions share it.
func PrintClients(w io.Writer, page operator.Upstream) error {
	return table(w, []column[operator.Client]{
		{"ID", func(c *operator.Client) string { return number(c.ID) }},
		{"SESSIONS", func(c *operator.Client) string { return number(c.Sessions) }},
		{"KIND", func(c *operator.Client) string { return c.Kind }},
		{"CONNECTED", func(c *operator.Client) string { return strconv.FormatBool(c.Connected) }},
		{"ROLE", func(c *operator.Client) string { return c.Role }},
		{"TOPIC", func(c *operator.Client) string { return short(c.Topic) }},
		{"SUBSCRIPTION", func(c *operator.Client) string { return c.Subscription }},
	}, page.Clients)
}

// PrintConfig prints the lines of a configuration, fit for a terminal.
func PrintConfig(w io.Writer, text string) error {
	for line := range strings.Lines(text) {
		if _, err := fmt.Fprintln(w, visible(strings.TrimSuffix(line, "\n"))); err != nil {
			return err
		}
	}
	return nil
}

// PrintStatus prints the gateway at a glance, with its brokers and the last refusals.
func PrintStatus(w io.Writer, s operator.Status, brokers operator.Brokers, refusals operator.Refusals, now time.Time) error {
	state := "serving"
	if s.Draining {
		state = "draining"
	}
	_, err := fmt.Fprintf(w, "pulsegate %s, %s, up %s, log level %s\nready: %s\nsessions: %d producers, %d consumers, %d readers\n\n",
		s.Version, state, seconds(now.Sub(s.Started).Seconds()), s.LogLevel, visible(s.Ready),
		s.Sessions["producer"], s.Sessions["consumer"], s.Sessions["reader"])
	if err != nil {
		return err
	}
	err = table(w, []column[operator.Limit]{
		{"LIMIT", func(l *operator.Limit) string { return l.Key }},
		{"USED", func(l *operator.Limit) string { return amount(l.Used, l.Unit) }},
		{"MOST", func(l *operator.Limit) string {
			if l.Most <= 0 {
				return "none"
			}
			return amount(l.Most, l.Unit)
		}},
	}, s.Limits)
	if len(brokers.Brokers) > 0 {
		fmt.Fprintln(w)
		err = cmp.Or(err, PrintBrokers(w, brokers, now), PrintRest(w, brokers, 0, "pulsegate brokers"))
	}
	if len(refusals.Refusals) > 0 {
		fmt.Fprintln(w)
		err = cmp.Or(err, PrintRefusals(w, refusals, now), PrintRest(w, refusals, 0, "pulsegate refusals"))
	}
	return err
}

// PrintBrokers prints a page of connections to brokers.
func PrintBrokers(w io.Writer, page operator.Brokers, now time.Time) error {
	return table(w, []column[operator.Broker]{
		{"BROKER", func(b *operator.Broker) string { return b.Address }},
		{"ROLE", func(b *operator.Broker) string { return b.Role }},
		{"STATE", func(b *operator.Broker) string { return b.State }},
		{"SINCE", func(b *operator.Broker) string { return seconds(now.Sub(b.Since).Seconds()) }},
		{"PRODUCERS", func(b *operator.Broker) string { return number(b.Producers) }},
		{"CONSUMERS", func(b *operator.Broker) string { return number(b.Consumers) }},
		{"REQUESTS", func(b *operator.Broker) string { return number(b.Requests) }},
		{"UNSENT", func(b *operator.Broker) string { return size(b.UnsentBytes) }},
		{"ERROR", func(b *operator.Broker) string { return b.Error }},
	}, page.Brokers)
}

// PrintRefusals prints a page of the last clients that were refused.
func PrintRefusals(w io.Writer, page operator.Refusals, now time.Time) error {
	return table(w, []column[operator.Refusal]{
		{"AGO", func(r *operator.Refusal) string { return seconds(now.Sub(r.Time).Seconds()) }},
		{"REFUSED", func(r *operator.Refusal) string { return r.What }},
		{"CODE", func(r *operator.Refusal) string { return number(r.Code) }},
		{"ADDRESS", func(r *operator.Refusal) string { return r.Address.String() }},
		{"REASON", func(r *operator.Refusal) string { return r.Reason + more(r.More) }},
	}, page.Refusals)
}

func amount(n int64, unit string) string {
	if unit == "bytes" {
		return size(n)
	}
	return fmt.Sprint(n)
}

// more writes what else is known of a refusal, in the order of the names.
func more(attrs map[string]string) string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		fmt.Fprintf(&out, " %s=%s", name, attrs[name])
	}
	return out.String()
}

// PrintRest says which part of a list was printed that begins at offset, and what shows more, unless it is all there is.
func PrintRest(w io.Writer, page Part, offset int, more string) error {
	listed, total := page.Counts()
	text := ""
	switch last := offset + listed; {
	case offset == 0 && listed >= total:
		return nil
	case listed == 0:
		text = fmt.Sprintf("none from %d on, of %d", offset+1, total)
	case last >= total:
		text = fmt.Sprintf("%d to %d of %d", offset+1, last, total)
	default:
		text = fmt.Sprintf("%d to %d of %d; %s shows more", offset+1, last, total, more)
	}
	_, err := fmt.Fprintln(w, "… "+text)
	return err
}
