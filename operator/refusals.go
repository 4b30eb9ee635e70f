package operator

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// refusalFields are those of a refusal; path, topic and kind are of what else is known.
var refusalFields = []field[Refusal]{
	{name: "time", moment: func(r *Refusal) time.Time { return r.Time }},
	{name: "what", text: func(r *Refusal) string { return r.What }},
	{name: "code", text: func(r *Refusal) string { return strconv.Itoa(r.Code) }, number: func(r *Refusal) float64 { return float64(r.Code) }},
	{name: "key", text: func(r *Refusal) string { return r.Key }},
	{name: "reason", text: func(r *Refusal) string { return r.Reason }},
	{name: "address", text: func(r *Refusal) string { return r.Address.String() }},
	{name: "path", text: func(r *Refusal) string { return r.More["path"] }},
	{name: "topic", text: func(r *Refusal) string { return r.More["topic"] }},
	{name: "kind", text: func(r *Refusal) string { return r.More["kind"] }},
}

// refusalTie has the newest first.
func refusalTie(a, b *Refusal) int {
	return cmp.Or(b.Time.Compare(a.Time), strings.Compare(a.What, b.What), a.Address.Compare(b.Address), strings.Compare(a.Reason, b.Reason), cmp.Compare(a.Code, b.Code))
}

// Refusals is the answer to a request for the last clients that were refused.
type Refusals struct {
	Total    int       `json:"total"`
	Refusals []Refusal `json:"refusals"`
}

// Counts tells how many there are and how many of them are listed.
func (r Refusals) Counts() (listed, total int) { return len(r.Refusals), r.Total }

// refusals answers GET refusals. They are few, so nobody waits for a turn.
func (h *handler) refusals(w http.ResponseWriter, r *http.Request) {
	total, list, no := pageOf(r, refusalFields, refusalTie, each(h.source.Refusals))
	if no != nil {
		writeReason(w, no.status, no.reason)
		return
	}
	writeJSON(w, Refusals{total, list})
}
