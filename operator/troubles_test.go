package operator

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"testing"
	"time"
)

// night is when something was refused, so many minutes past three.
func night(minute int) time.Time { return time.Date(2026, 3, 1, 3, minute, 0, 0, time.UTC) }

// answer is what a page says.
func answer[T any](t *testing.T, f *fake, page string, query url.Values) (got T) {
	t.Helper()
	w := ask(f, false, "GET", page+"?"+query.Encode(), "")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s?%s: %d %s, %v", page, query.Encode(), w.Code, w.Body, err)
	}
	return got
}

// What was refused is found by its code, reason, address, path, topic and time; the newest comes first unless another order is asked for.
func TestWhoWasRefused(t *testing.T) {
	from := func(address string) netip.AddrPort { return netip.MustParseAddrPort(address) }
	f := newFake()
	f.refusals = []Refusal{ // the newest first
		{Time: night(40), What: "session ended", Code: 1008, Reason: "it does not read", Address: from("192.0.2.1:1"), More: map[string]string{"kind": "reader"}},
		{Time: night(30), What: "session refused", Code: 503, Key: "maxHttpServerConnections", Reason: "full", Address: from("192.0.2.2:1")},
		{Time: night(20), What: "session refused", Code: 401, Reason: "token expired", Address: from("198.51.100.1:1"), More: map[string]string{"kind": "consumer", "topic": "persistent://public/default/orders"}},
		{Time: night(10), What: "session refused", Code: 404, Reason: "no such path", Address: from("192.0.2.1:2"), More: map[string]string{"path": "/ws/v2/nothing"}},
	}
	for _, c := range []struct {
		query url.Values
		total int
		codes []int
	}{
		{url.Values{}, 4, []int{1008, 503, 401, 404}},
		{url.Values{"limit": {"2"}}, 4, []int{1008, 503}},
		{url.Values{"limit": {"2"}, "offset": {"2"}}, 4, []int{401, 404}},
		{url.Values{"sort": {"code"}}, 4, []int{401, 404, 503, 1008}},
		{url.Values{"sort": {"time"}}, 4, []int{404, 401, 503, 1008}},
		{url.Values{"code": {"40*"}}, 2, []int{401, 404}},
		{url.Values{"code": {"40"}}, 0, nil},
		{url.Values{"reason": {"*expired*"}}, 1, []int{401}},
		{url.Values{"limit": {"1"}, "what": {"session refused"}}, 3, []int{503}},
		{url.Values{"address": {"192.0.2.1:*"}}, 2, []int{1008, 404}},
		{url.Values{"path": {"/ws/*"}}, 1, []int{404}},
		{url.Values{"topic": {"*/orders"}}, 1, []int{401}},
		{url.Values{"kind": {"reader"}}, 1, []int{1008}},
		{url.Values{"time": {"2026-03-01T03:30:00Z"}}, 2, []int{1008, 503}},
		{url.Values{"time": {"2026-03-01T05:30:01+02:00"}}, 1, []int{1008}},
	} {
		got := answer[Refusals](t, f, "refusals", c.query)
		var codes []int
		for _, r := range got.Refusals {
			codes = append(codes, r.Code)
		}
		if got.Total != c.total || !slices.Equal(codes, c.codes) {
			t.Errorf("%v: %d of %v, expected %d of %v", c.query, got.Total, codes, c.total, c.codes)
		}
	}
}

// Brokers are found by their state, and since when they are in it.
func TestHowTheBrokersAre(t *testing.T) {
	f := newFake()
	f.brokers = []Broker{
		{Address: "a:6650", State: "up", Since: night(0), Requests: 9},
		{Address: "b:6650", State: "opening", Since: night(31)},
		{Address: "c:6650", State: "down", Since: night(30), Error: "connection refused"},
		{Address: "c:6650", State: "down", Since: night(20), Role: "app", Error: "timeout"},
	}
	for _, c := range []struct {
		query url.Values
		total int
		names []string
	}{
		{url.Values{}, 4, []string{"a:6650", "b:6650", "c:6650", "c:6650 app"}},
		{url.Values{"sort": {"state"}}, 4, []string{"c:6650", "c:6650 app", "b:6650", "a:6650"}},
		{url.Values{"sort": {"-since"}, "limit": {"2"}}, 4, []string{"b:6650", "c:6650"}},
		{url.Values{"state": {"down"}, "sort": {"since"}}, 2, []string{"c:6650 app", "c:6650"}},
		{url.Values{"state": {"down"}, "error": {"*refused*"}}, 1, []string{"c:6650"}},
		{url.Values{"role": {"app"}}, 1, []string{"c:6650 app"}},
		{url.Values{"requests": {"1"}}, 1, []string{"a:6650"}},
		{url.Values{"since": {"2026-03-01T03:30:00Z"}}, 2, []string{"b:6650", "c:6650"}},
	} {
		got := answer[Brokers](t, f, "brokers", c.query)
		var names []string
		for _, b := range got.Brokers {
			name := b.Address
			if b.Role != "" {
				name += " " + b.Role
			}
			names = append(names, name)
		}
		if got.Total != c.total || !slices.Equal(names, c.names) {
			t.Errorf("%v: %d of %v, expected %d of %v", c.query, got.Total, names, c.total, c.names)
		}
	}
}
