package ask

import (
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"strings"

	"github.com/pulsegate/pulsegate/operator"
)

// MaxPage is how many of a list can be asked for at once.
const MaxPage = operator.MaxPage

// Part is a page of a list.
type Part interface {
	// Counts tells how many there are, and how many of them are on the page.
	Counts() (listed, total int)
}

// Page is which part of a list to ask for: Count from the one after Offset on, of those that Where leaves, by Sort.
type Page struct {
	Where         []string // field=value each
	Sort          string   // a field, behind a - in descending order
	Count, Offset int      // 1 to MaxPage; from 0
}

// Query is the parameters of the request. Its errors name the flags of the commands that list.
func (p *Page) Query() (url.Values, error) {
	switch {
	case p.Count < 1 || p.Count > MaxPage:
		return nil, fmt.Errorf("-n, --count %d: it must be from 1 to %d", p.Count, MaxPage)
	case p.Offset < 0 || p.Offset > operator.MaxReach-p.Count:
		return nil, fmt.Errorf("--offset %d: with -n %d it must be from 0 to %d; --where leaves out what is not looked for", p.Offset, p.Count, operator.MaxReach-p.Count)
	}
	page := url.Values{"sort": {p.Sort}, "limit": {strconv.Itoa(p.Count)}, "offset": {strconv.Itoa(p.Offset)}}
	query := maps.Clone(page)
	for _, w := range p.Where {
		field, value, ok := strings.Cut(w, "=")
		switch {
		case ok && page.Has(field):
			return nil, fmt.Errorf("--where %q: it is no field; the flags are --sort, -n and --offset", w)
		case !ok || query.Has(field):
			return nil, fmt.Errorf("--where %q: expected field=value, once for each field", w)
		}
		query.Set(field, value)
	}
	return query, nil
}

// More is what shows the lines behind those of the page.
func (p *Page) More() string {
	if next := p.Offset + p.Count; next <= operator.MaxReach-p.Count {
		return fmt.Sprintf("--offset %d", next)
	}
	return "--where with a filter"
}
