package operator

import (
	"cmp"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

type item struct {
	name string
	n    int
	id   uint64
}

var itemFields = []field[item]{
	{name: "name", text: func(i *item) string { return i.name }},
	{name: "n", number: func(i *item) float64 { return float64(i.n) }},
	{name: "id", has: func(i *item, id uint64) bool { return i.id == id }, number: func(i *item) float64 { return float64(i.id) }},
}

func itemTie(a, b *item) int { return strings.Compare(a.name, b.name) }

// A page is what sorting the whole list and cutting it would give.
func TestPageIsAPartOfTheSortedList(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var all []item
		for i := range random.IntN(60) {
			all = append(all, item{name: string(rune('a' + i)), n: random.IntN(5)})
		}
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		offset, limit := random.IntN(70), 1+random.IntN(20)
		q, err := parseQuery(url.Values{"sort": {"-n"}, "n": {"1"}}, itemFields, itemTie)
		if err != nil {
			t.Fatal(err)
		}
		q.offset, q.limit = offset, limit
		p := page[item]{query: q}
		for i := range all {
			p.add(&all[i])
		}

		want := slices.DeleteFunc(slices.Clone(all), func(i item) bool { return i.n < 1 })
		slices.SortFunc(want, func(a, b item) int { return cmp.Or(cmp.Compare(b.n, a.n), strings.Compare(a.name, b.name)) })
		if p.total != len(want) {
			t.Fatalf("total %d, expected %d", p.total, len(want))
		}
		want = want[min(offset, len(want)):min(offset+limit, len(want))]
		if got := p.list(); !slices.Equal(got, want) {
			t.Fatalf("offset %d, limit %d: %v, expected %v", offset, limit, got, want)
		}
		if cap(p.best) > 2*(offset+limit)+8 {
			t.Fatalf("%d kept for a page that ends at %d", cap(p.best), offset+limit)
		}
	}
}

func TestQueriesThatAreWrong(t *testing.T) {
	for query, want := range map[string]string{
		"colour=red":        `parameter colour: "colour" is not a field of this list; its fields are name, n, id`,
		"sort=-colour":      `parameter sort: "colour" is not a field of this list; its fields are name, n, id`,
		"n=many":            `parameter n: "many": expected a number, the smallest to list`,
		"n=NaN":             `parameter n: "NaN": expected a number, the smallest to list`,
		"id=many":           `parameter id: "many": expected the id of a client at the brokers, as the list upstream has it`,
		"id=0":              `parameter id: "0": expected the id of a client at the brokers, as the list upstream has it`,
		"id=-2":             `parameter id: "-2": expected the id of a client at the brokers, as the list upstream has it`,
		"limit=0":           `parameter limit: "0": expected a number from 1 to 1000`,
		"limit=1001":        `parameter limit: "1001": expected a number from 1 to 1000`,
		"offset=-1":         `parameter offset: "-1": expected a number from 0 to 10000`,
		"offset=9999":       `parameter offset: a page ends at 10000 at most; filter the list instead`,
		"name=a&name=b":     `parameter name: given 2 times, expected once`,
		"limit=99999999999": `parameter limit: "99999999999": expected a number from 1 to 1000`,
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = parseQuery(values, itemFields, itemTie); err == nil || err.Error() != want {
			t.Errorf("%s: %v, expected %s", query, err, want)
		}
	}
}

// An id is looked for by itself, not as a minimum.
func TestQueryByID(t *testing.T) {
	q, err := parseQuery(url.Values{"id": {"2"}}, itemFields, itemTie)
	if err != nil {
		t.Fatal(err)
	}
	p := page[item]{query: q}
	for id := range uint64(4) {
		p.add(&item{id: id})
	}
	if got := p.list(); p.total != 1 || !slices.Equal(got, []item{{id: 2}}) {
		t.Errorf("%d: %v", p.total, got)
	}
}

func FuzzMatches(f *testing.F) {
	f.Add("persistent://*/orders*", "persistent://public/default/orders-1")
	f.Add("*", "")
	f.Add("a*a", "a")
	f.Add("**b", "ab")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		parts := strings.Split(pattern, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		simple, err := regexp.Compile(`(?s)\A` + strings.Join(parts, ".*") + `\z`)
		if err != nil || !slices.Equal([]byte(strings.ToValidUTF8(text+pattern, "")), []byte(text+pattern)) {
			return // the simple version knows only UTF-8
		}
		if got := matches(pattern, text); got != simple.MatchString(text) {
			t.Errorf("matches(%q, %q) = %v", pattern, text, got)
		}
	})
}
