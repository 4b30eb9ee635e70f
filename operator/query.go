package operator

import (
	"cmp"
	"container/heap"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// MaxPage bounds what one answer lists.
	MaxPage = 1000
	// MaxReach bounds how far behind the first one a page may end: so many are kept in memory while all are looked at.
	MaxReach    = 10_000
	defaultPage = 100
)

// field is something of a T that lists can be filtered and sorted by. One of text, number and moment is set,
// or text to filter by and number to sort by. Where has is set, too, the filter is the id of a client at the
// upstream, and has tells which pass it.
type field[T any] struct {
	name   string
	text   func(*T) string
	number func(*T) float64
	has    func(t *T, id uint64) bool
	moment func(*T) time.Time
}

func (f *field[T]) compare(a, b *T) int {
	switch {
	case f.number != nil:
		return cmp.Compare(f.number(a), f.number(b))
	case f.moment != nil:
		return f.moment(a).Compare(f.moment(b))
	}
	return strings.Compare(f.text(a), f.text(b))
}

// query is what to list. Its zero value is not useful; see [parseQuery].
type query[T any] struct {
	filters       []func(*T) bool
	order         func(a, b *T) int // of pages: by the field asked for, then as the list has it
	offset, limit int
}

// parseQuery reads the parameters: a field's name filters, a string by a pattern in which * stands for anything,
// a number by a minimum, a time by the earliest, the id of a client at the upstream by itself; sort names a field,
// behind a - in descending order; offset and limit make pages. tie decides where that leaves two equal.
func parseQuery[T any](values url.Values, fields []field[T], tie func(a, b *T) int) (*query[T], error) {
	q := &query[T]{order: tie, limit: defaultPage}
	for name, given := range values {
		if len(given) != 1 {
			return nil, fmt.Errorf("parameter %s: given %d times, expected once", name, len(given))
		}
		if err := q.parameter(name, given[0], fields, tie); err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
	}
	if q.offset+q.limit > MaxReach {
		return nil, fmt.Errorf("parameter offset: a page ends at %d at most; filter the list instead", MaxReach)
	}
	return q, nil
}

func (q *query[T]) parameter(name, value string, fields []field[T], tie func(a, b *T) int) (err error) {
	switch name {
	case "offset":
		q.offset, err = count(value, 0, MaxReach)
		return err
	case "limit":
		q.limit, err = count(value, 1, MaxPage)
		return err
	case "sort":
		column, falling := strings.CutPrefix(value, "-")
		f, err := named(column, fields)
		if err != nil {
			return err
		}
		q.order = func(a, b *T) int {
			order := f.compare(a, b)
			if falling {
				order = -order
			}
			return cmp.Or(order, tie(a, b))
		}
		return nil
	}
	f, err := named(name, fields)
	if err != nil {
		return err
	}
	if f.moment != nil {
		first, err := time.Parse(time.RFC3339, value)
		if err != nil {
			return fmt.Errorf("%.50q: expected a time such as 2006-01-02T15:04:05Z, the earliest to list", value)
		}
		q.filters = append(q.filters, func(t *T) bool { return !f.moment(t).Before(first) })
		return nil
	}
	if f.text != nil {
		q.filters = append(q.filters, func(t *T) bool { return matches(value, f.text(t)) })
		return nil
	}
	if f.has != nil {
		id, err := strconv.ParseUint(value, 10, 64)
		if err != nil || id == 0 {
			return fmt.Errorf("%.50q: expected the id of a client at the brokers, as the list upstream has it", value)
		}
		q.filters = append(q.filters, func(t *T) bool { return f.has(t, id) })
		return nil
	}
	least, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(least) {
		return fmt.Errorf("%.50q: expected a number, the smallest to list", value)
	}
	q.filters = append(q.filters, func(t *T) bool { return f.number(t) >= least })
	return nil
}

func named[T any](name string, fields []field[T]) (*field[T], error) {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i], nil
		}
	}
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fields[i].name
	}
	return nil, fmt.Errorf("%.50q is not a field of this list; its fields are %s", name, strings.Join(names, ", "))
}

func count(value string, least, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%.50q: expected a number from %d to %d", value, least, most)
	}
	return n, nil
}

// matches reports that text is what pattern says, in which * stands for any text.
func matches(pattern, text string) bool {
	first, rest, more := strings.Cut(pattern, "*")
	if !more {
		return text == pattern
	}
	if !strings.HasPrefix(text, first) {
		return false
	}
	text = text[len(first):]
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, part)
		}
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text, rest = text[at+len(part):], after
	}
}

// pageOf is what a request asks for of all that visit is called with, until that returns false, and how many pass the filters.
func pageOf[T any](r *http.Request, fields []field[T], tie func(a, b *T) int, all func(visit func(*T) bool)) (total int, list []T, no *problem) {
	q, err := parseQuery(r.URL.Query(), fields, tie)
	if err != nil {
		return 0, nil, &problem{http.StatusBadRequest, err.Error()}
	}
	p := page[T]{query: q}
	all(func(t *T) bool {
		p.add(t)
		return r.Context().Err() == nil
	})
	return p.total, listOf(p.list()), nil
}

// listOf makes no list an empty one, which JSON writes as [].
func listOf[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// page collects the part of a list that a query asks for, keeping no more than that in memory.
type page[T any] struct {
	*query[T]
	total int // that pass the filters
	best  []T // a heap, the last in order on top: at most offset+limit
}

// add takes a copy of t if it may be listed.
func (p *page[T]) add(t *T) {
	for _, passes := range p.filters {
		if !passes(t) {
			return
		}
	}
	p.total++
	switch {
	case len(p.best) < p.offset+p.limit:
		heap.Push(p, *t)
	case p.order(t, &p.best[0]) < 0:
		p.best[0] = *t
		heap.Fix(p, 0)
	}
}

// list is what is on the page, in order. Afterwards p is of no use.
func (p *page[T]) list() []T {
	slices.SortFunc(p.best, func(a, b T) int { return p.order(&a, &b) })
	return p.best[min(p.offset, len(p.best)):]
}

// Len, Less, Swap, Push and Pop implement [heap.Interface].
func (p *page[T]) Len() int           { return len(p.best) }
func (p *page[T]) Less(i, j int) bool { return p.order(&p.best[i], &p.best[j]) > 0 }
func (p *page[T]) Swap(i, j int)      { p.best[i], p.best[j] = p.best[j], p.best[i] }
func (p *page[T]) Push(t any)         { p.best = append(p.best, t.(T)) }
func (p *page[T]) Pop() any {
	last := p.best[len(p.best)-1]
	p.best = p.best[:len(p.best)-1]
	return last
}
