package ask

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/operator"
)

// What a client has named reaches a terminal as text, whatever it holds.
func TestNamesOfClientsAreFitForATerminal(t *testing.T) {
	var out strings.Builder
	page := operator.Sessions{Total: 1, Sessions: []operator.Session{{
		ID: 7, Kind: "consumer", Topic: "persistent://public/default/a\x1b[2Jb", Subscription: "s\nt", UserAgent: "\u202eagent",
		Address: netip.MustParseAddrPort("192.0.2.1:1000"), Opened: time.Now(), UnsentBytes: 2048, Upstream: []uint64{4, 5, 6, 7, 8},
	}}}
	if err := PrintSessions(&out, page, time.Now()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 2 || strings.ContainsAny(out.String(), "\x1b\u202e") {
		t.Errorf("%q", lines)
	}
	for _, part := range []string{`public/default/a\x1b[2Jb`, `s\nt`, "2.0Ki", "192.0.2.1:1000", " 4,5,6,+2 "} {
		if !strings.Contains(lines[1], part) {
			t.Errorf("%q has no %s", lines[1], part)
		}
	}
}

// What a configuration says reaches a terminal line by line, as text.
func TestConfigurationIsFitForATerminal(t *testing.T) {
	var out strings.Builder
	if err := PrintConfig(&out, "# default\nclusterName=a\x1b[2J\\n\n"); err != nil || out.String() != "# default\nclusterName=a\\x1b[2J\\\\n\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// A refusal is told with the gateway's reason, and what is no gateway is told to be none.
func TestRefusals(t *testing.T) {
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t" || r.URL.Path != operator.Prefix+"sessions" || r.URL.Query().Get("sort") != "-id" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"reason":"only super-users may do this"}`))
	}))
	defer gate.Close()
	c := New(gate.URL+"/", gate.Client(), http.Header{"Authorization": {"Bearer t"}})
	_, err := c.Sessions(context.Background(), url.Values{"sort": {"-id"}})
	if err == nil || err.Error() != gate.URL+": 403 Forbidden: only super-users may do this" {
		t.Error(err)
	}

	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	if _, err := New(other.URL, other.Client(), nil).Status(context.Background()); err == nil || !strings.Contains(err.Error(), "is this a pulsegate") {
		t.Error(err)
	}
}

// A rate is what came since the answer before; a session that was not in that has none, and one that has gone does not matter.
func TestRatesOfSessions(t *testing.T) {
	session := func(id, messages uint64) operator.Session {
		return operator.Session{ID: id, Messages: messages, Kind: "reader", Address: netip.MustParseAddrPort("127.0.0.1:1")}
	}
	now := []operator.Session{session(2, 70), session(3, 5), session(4, 100)}
	rates := ratesSince([]operator.Session{session(1, 9), session(2, 20), session(4, 100)}, now, 2*time.Second)
	if want := (Rates{2: 25, 4: 0}); !maps.Equal(rates, want) {
		t.Errorf("%v, not %v", rates, want)
	}
	var out strings.Builder
	if err := printRated(&out, operator.Sessions{Sessions: now, Total: len(now)}, rates, time.Now()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{"RATE", "25/s", "-", "0/s"} {
		if got := strings.Fields(lines[i])[7]; got != want {
			t.Errorf("%q has %q, not %q", lines[i], got, want)
		}
	}
}

// What is not printed of a list is told, and what shows it.
func TestRestOfAList(t *testing.T) {
	for _, c := range []struct {
		listed, total, offset int
		want                  string
	}{
		{0, 0, 0, ""},
		{3, 3, 0, ""},
		{2, 5, 0, "… 1 to 2 of 5; --offset 2 shows more\n"},
		{2, 5, 2, "… 3 to 4 of 5; --offset 2 shows more\n"},
		{1, 5, 4, "… 5 to 5 of 5\n"},
		{0, 5, 6, "… none from 7 on, of 5\n"},
	} {
		var out strings.Builder
		page := operator.Topics{Total: c.total, Topics: make([]operator.Topic, c.listed)}
		if err := PrintRest(&out, page, c.offset, "--offset 2"); err != nil || out.String() != c.want {
			t.Errorf("%+v: %q, %v", c, out.String(), err)
		}
	}
}
