package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"unique"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/census"
	"github.com/pulsegate/pulsegate/operator"
	"github.com/pulsegate/pulsegate/server/route"
)

// crowd is a bridge whose census knows very many sessions.
type crowd struct {
	*fakeBridge
	census *census.Registry
}

func (b crowd) Outlets(visit func(bridge.Outlet) bool) { b.census.Outlets(visit) }

// crowded is one of its sessions.
type crowded struct {
	fakeSession
	topic string
	n     int
	ids   [1]uint64
}

func (s *crowded) Counted() (bridge.SessionKind, bridge.Outlet) {
	return bridge.SessionKind{Subscription: "s"}, s.out
}

func (s *crowded) Describe(i *bridge.SessionInfo) {
	*i = bridge.SessionInfo{Topic: s.topic, Subscription: "s", Messages: uint64(s.n), Unacked: s.n % 100, Window: 1000, Sharing: 10, Upstream: s.ids[:]}
}

// crowdSource tells operators of a server's sessions, and of nothing else.
type crowdSource struct {
	operator.Source
	of *Server
}

func (s crowdSource) Sessions(visit func(*operator.Session) bool) { s.of.Sessions(visit) }

// operated are the operator's pages of a server with so many sessions, without sockets, ten on each topic.
func operated(t testing.TB, sessions int) http.Handler {
	b := crowd{newFakeBridge(), census.New()}
	s := start(t, b)
	topic, agent := "", unique.Make("some client")
	for n := range sessions {
		if n%10 == 0 {
			topic = fmt.Sprintf("persistent://public/default/orders-%d", n/10)
		}
		c := &conn{s: s, id: uint64(n + 1), kind: route.Consumer, agent: agent}
		c.from(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 1000))
		c.unsent.Store(int64(n * 7 % 1000))
		session := &crowded{topic: topic, n: n}
		session.out, c.session = c, session
		b.census.Consumer(topic, session)
	}
	return operator.NewHandler(crowdSource{of: s}, slog.New(slog.DiscardHandler))
}

// pageOf asks for a page of a list.
func pageOf(t testing.TB, pages http.Handler, query string) {
	t.Helper()
	w := httptest.NewRecorder()
	pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, operator.Prefix+query, nil))
	if w.Code != http.StatusOK || strings.Contains(w.Body.String(), `"total":0`) {
		t.Fatalf("%s: %d %.300s", query, w.Code, w.Body)
	}
}

// lists are pages of 50, filtered and sorted.
var lists = []struct{ name, query string }{
	{"sessions", "sessions?topic=*/orders-*&sort=-unsentBytes&limit=50&offset=100"},
	{"addresses", "sessions?address=10.*&sort=address&limit=50&offset=100"},
	{"topics", "topics?topic=*/orders-*&sort=-unsentBytes&limit=50&offset=100"},
}

// What a list of sessions takes is bounded by its page but for a pointer to each session, and what a list of topics takes by the topics.
func TestListsTakeLittle(t *testing.T) {
	const few, many = 1000, 20_000
	small, large := operated(t, few), operated(t, many)
	taken := func(pages http.Handler, query string) (bytes, objects int64) {
		pageOf(t, pages, query) // what is made once
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 5 {
			pageOf(t, pages, query)
		}
		runtime.ReadMemStats(&after)
		return int64(after.TotalAlloc-before.TotalAlloc) / 5, int64(after.Mallocs-before.Mallocs) / 5
	}
	for _, list := range lists {
		bytesOfFew, objectsOfFew := taken(small, list.query)
		bytesOfMany, objectsOfMany := taken(large, list.query)
		bytes, objects := float64(bytesOfMany-bytesOfFew)/(many-few), float64(objectsOfMany-objectsOfFew)/(many-few)
		t.Logf("%s: %.1f bytes and %.3f objects for each session more; %d bytes for %d", list.name, bytes, objects, bytesOfFew, few)
		most, objectsMost := 24.0, 0.02
		switch list.name {
		case "topics":
			most, objectsMost = 100, 0.5
		case "addresses": // which are made into text to be compared
			most, objectsMost = 120, 5
		}
		if bytes > most || objects > objectsMost {
			t.Errorf("%s: %.1f bytes and %.3f objects for each session more, expected %v and %v at most", list.name, bytes, objects, most, objectsMost)
		}
	}
}

// BenchmarkLists asks for pages of lists at 100,000 sessions on 10,000 topics. The pause behind each, see package inturn, is in it.
func BenchmarkLists(b *testing.B) {
	pages := operated(b, 100_000)
	for _, list := range lists {
		b.Run(list.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				pageOf(b, pages, list.query)
			}
		})
	}
}
