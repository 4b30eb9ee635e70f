package operator

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// fake is a gateway with these sessions.
type fake struct {
	sessions []Session
	brokers  []Broker
	refusals []Refusal
	closed   map[uint64]string
	level    slog.LevelVar
}

func (f *fake) Sessions(visit func(*Session) bool) {
	for i := range f.sessions {
		if s := f.sessions[i]; !visit(&s) {
			return
		}
	}
}

func (f *fake) CloseSession(id uint64, reason string) bool {
	for _, s := range f.sessions {
		if s.ID == id {
			f.closed[id] = reason
			return true
		}
	}
	return false
}

func (f *fake) Clients(visit func(*Client) bool) {
	visit(&Client{ID: 11, Kind: "tail", Topic: "persistent://public/default/a", Sessions: 2, Connected: true})
}
func (f *fake) Brokers() []Broker   { return f.brokers }
func (f *fake) Status() Status      { return Status{Version: "v1"} }
func (f *fake) Refusals() []Refusal { return f.refusals }
func (f *fake) WriteConfig(w io.Writer) error {
	_, err := io.WriteString(w, "webServicePort=8080\n")
	return err
}
func (f *fake) Level() *slog.LevelVar { return &f.level }

func newFake() *fake {
	f := &fake{closed: map[uint64]string{}, brokers: []Broker{{Address: "broker:6650", State: "up"}}}
	for i := range uint64(5) {
		f.sessions = append(f.sessions, Session{
			ID: i + 1, Kind: []string{"producer", "consumer", "reader"}[i%3], Topic: "persistent://public/default/" + string('a'+rune(i%2)),
			Address: netip.MustParseAddrPort(fmt.Sprintf("192.0.2.%d:1000", i+1)), Opened: time.Now(), UnsentBytes: int64(i * 100), Messages: i,
		})
	}
	f.sessions[1].Subscription = "s"
	f.sessions[2].Upstream, f.sessions[3].Upstream, f.sessions[4].Upstream = []uint64{11}, []uint64{12}, []uint64{13, 11}
	return f
}

// ask sends a request, from an operator who may act or not.
func ask(f *fake, act bool, method, path, body string, head ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, Prefix+path, strings.NewReader(body))
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	if act {
		r = AllowActions(r, Actor{Address: netip.MustParseAddrPort("192.0.2.9:1000")})
	}
	w := httptest.NewRecorder()
	NewHandler(f, slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
	return w
}

func TestWhichClientIsSlow(t *testing.T) {
	w := ask(newFake(), false, "GET", "sessions?sort=-unsentBytes&unsentBytes=1&limit=2", "")
	var got Sessions
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body, err)
	}
	if got.Total != 4 || len(got.Sessions) != 2 || got.Sessions[0].ID != 5 || got.Sessions[1].ID != 4 {
		t.Errorf("%+v", got)
	}
}

func TestWhichTopicHasMostSessions(t *testing.T) {
	w := ask(newFake(), false, "GET", "topics?sort=-sessions", "")
	var got Topics
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body, err)
	}
	want := Topic{
		Topic: "persistent://public/default/a", Sessions: 3, Producers: 1, Consumers: 1, Readers: 1, Published: 0, Delivered: 6, UnsentBytes: 600, Slow: 2,
	}
	if got.Total != 2 || got.Topics[0] != want {
		t.Errorf("%+v", got)
	}
	if other := got.Topics[1]; other.Subscriptions != 1 {
		t.Errorf("%+v", other)
	}
}

// From a client at the brokers to its sessions, from one of them to its clients, and from there back.
func TestWhichSessionSharesWhat(t *testing.T) {
	for path, want := range map[string][]uint64{"sessions?upstream=11": {3, 5}, "sessions?upstream=12": {4}, "sessions?upstream=99": {}, "sessions?sort=-upstream": {5, 4, 3, 1, 2}} {
		w := ask(newFake(), false, "GET", path, "")
		got := []uint64{}
		var list Sessions
		err := json.Unmarshal(w.Body.Bytes(), &list)
		for _, s := range list.Sessions {
			got = append(got, s.ID)
		}
		if path == "sessions?sort=-upstream" {
			slices.Sort(got[3:])
		}
		if err != nil || w.Code != http.StatusOK || !slices.Equal(got, want) || list.Total != len(want) {
			t.Errorf("%s: %v of %d, not %v", path, got, list.Total, want)
		}
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		act                bool
		method, path, body string
		status             int
		answer             string // a part of it
	}{
		{false, "GET", "status", "", 200, `"version":"v1"`},
		{false, "GET", "sessions/3", "", 200, `"id":3`},
		{false, "GET", "sessions/5", "", 200, `"upstream":[13,11]`},
		{false, "GET", "sessions?upstream=x", "", 400, `parameter upstream: \"x\": expected the id of a client at the brokers, as the list upstream has it`},
		{false, "GET", "sessions/9", "", 404, "no session with this id"},
		{false, "GET", "sessions/x", "", 400, "is a number"},
		{false, "GET", "sessions?colour=red", "", 400, "colour"},
		{false, "GET", "upstream", "", 200, `"kind":"tail"`},
		{false, "GET", "upstream?id=11", "", 200, `"id":11`},
		{false, "GET", "upstream?id=10", "", 200, `"clients":[]`},
		{false, "GET", "upstream?connected=false", "", 200, `"clients":[]`},
		{false, "GET", "refusals", "", 200, `{"total":0,"refusals":[]}`},
		{false, "GET", "refusals?colour=red", "", 400, `parameter colour: \"colour\" is not a field of this list; its fields are time, what, code, key, reason, address, path, topic, kind`},
		{false, "GET", "refusals?time=yesterday", "", 400, `parameter time: \"yesterday\": expected a time such as 2006-01-02T15:04:05Z, the earliest to list`},
		{false, "GET", "refusals?limit=0", "", 400, `parameter limit: \"0\": expected a number from 1 to 1000`},
		{false, "GET", "brokers", "", 200, `{"total":1,"brokers":[{"address":"broker:6650"`},
		{false, "GET", "brokers?state=down", "", 200, `{"total":0,"brokers":[]}`},
		{false, "GET", "brokers?sort=status", "", 400, `parameter sort: \"status\" is not a field of this list; its fields are address, role, state, since,`},
		{false, "GET", "config", "", 200, "webServicePort=8080"},
		{false, "GET", "log-level", "", 200, `{"level":"info"}`},
		{false, "GET", "nothing", "", 404, "no such page"},
		{false, "DELETE", "sessions/3", "", 403, "only a super-user"},
		{false, "PUT", "log-level", `{"level":"debug"}`, 403, "only a super-user"},
		{false, "POST", "profiles/heap", "", 403, "only a super-user"},
		{true, "DELETE", "sessions/9", "", 404, "no session with this id"},
		{true, "DELETE", "sessions/3?reason=" + strings.Repeat("x", 101), "", 400, "expected 100 at most"},
		{true, "PUT", "log-level", `{"level":"loud"}`, 400, "expected debug, info, warn or error"},
		{true, "PUT", "log-level", `{"lever":"debug"}`, 400, "expected"},
		{true, "PUT", "log-level", strings.Repeat(" ", maxBody+1), 400, "expected"},
		{true, "POST", "profiles/heap", "", 200, ""},
		{true, "POST", "profiles/secret", "", 404, "there is no profile"},
		{true, "POST", "profiles/cpu?seconds=999", "", 400, "from 1 to 25"},
	} {
		w := ask(newFake(), c.act, c.method, c.path, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.answer) {
			t.Errorf("%s %s: %d %.200s, expected %d with %q", c.method, c.path, w.Code, w.Body, c.status, c.answer)
		}
	}
}

func TestActions(t *testing.T) {
	f := newFake()
	ask(f, true, "DELETE", "sessions/3?reason=maintenance", "")
	ask(f, true, "DELETE", "sessions/4", "")
	if f.closed[3] != "maintenance" || f.closed[4] != defaultReason {
		t.Error(f.closed)
	}
	if w := ask(f, true, "PUT", "log-level", `{"level":"debug"}`); w.Code != http.StatusOK || f.level.Level() != slog.LevelDebug {
		t.Error(w.Code, w.Body, f.level.Level())
	}
}

// A page of somebody else's, open in an operator's browser, acts in nobody's name.
func TestOtherSitesMayNotAct(t *testing.T) {
	f := newFake()
	if w := ask(f, true, "DELETE", "sessions/3", "", "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden || len(f.closed) > 0 {
		t.Error(w.Code, w.Body, f.closed)
	}
	if w := ask(f, true, "DELETE", "sessions/3", "", "Sec-Fetch-Site", "same-origin"); w.Code != http.StatusOK {
		t.Error(w.Code, w.Body)
	}
}

// The log says who has acted.
func TestWhoActed(t *testing.T) {
	for _, act := range []struct{ method, path, body, says string }{
		{"DELETE", "sessions/3", "", "closes a session"},
		{"PUT", "log-level", `{"level":"debug"}`, "changed the log level"},
		{"POST", "profiles/heap", "", "takes a profile"},
	} {
		for role, want := range map[string]string{"root": " operator=192.0.2.9:1000 role=root\n", "": " operator=192.0.2.9:1000\n"} {
			var log strings.Builder
			r := httptest.NewRequest(act.method, Prefix+act.path, strings.NewReader(act.body))
			r = AllowActions(r, Actor{Role: role, Address: netip.MustParseAddrPort("192.0.2.9:1000")})
			NewHandler(newFake(), slog.New(slog.NewTextHandler(&log, nil))).ServeHTTP(httptest.NewRecorder(), r)
			if text := log.String(); !strings.Contains(text, act.says) || !strings.HasSuffix(text, want) {
				t.Errorf("%s as %q: %q", act.path, role, text)
			}
		}
	}
}
