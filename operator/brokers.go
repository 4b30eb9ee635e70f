package operator

import (
	"cmp"
	"net/http"
	"strings"
	"time"
)

var brokerFields = []field[Broker]{
	{name: "address", text: func(b *Broker) string { return b.Address }},
	{name: "role", text: func(b *Broker) string { return b.Role }},
	{name: "state", text: func(b *Broker) string { return b.State }},
	{name: "since", moment: func(b *Broker) time.Time { return b.Since }},
	{name: "producers", number: func(b *Broker) float64 { return float64(b.Producers) }},
	{name: "consumers", number: func(b *Broker) float64 { return float64(b.Consumers) }},
	{name: "requests", number: func(b *Broker) float64 { return float64(b.Requests) }},
	{name: "unsentBytes", number: func(b *Broker) float64 { return float64(b.UnsentBytes) }},
	{name: "error", text: func(b *Broker) string { return b.Error }},
}

func brokerTie(a, b *Broker) int {
	return cmp.Or(strings.Compare(a.Address, b.Address), strings.Compare(a.Role, b.Role), a.Since.Compare(b.Since))
}

// Brokers is the answer to a request for connections to brokers.
type Brokers struct {
	Total   int      `json:"total"`
	Brokers []Broker `json:"brokers"`
}

// Counts tells how many there are and how many of them are listed.
func (b Brokers) Counts() (listed, total int) { return len(b.Brokers), b.Total }

// brokers answers GET brokers.
func (h *handler) brokers(r *http.Request) (any, *problem) {
	total, list, no := pageOf(r, brokerFields, brokerTie, each(h.source.Brokers))
	return Brokers{total, list}, no
}

// each visits what a list holds.
func each[T any](list func() []T) func(visit func(*T) bool) {
	return func(visit func(*T) bool) {
		all := list()
		for i := range all {
			if !visit(&all[i]) {
				return
			}
		}
	}
}
