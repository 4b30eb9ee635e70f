package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/operator"
	"github.com/pulsegate/pulsegate/operator/ask"
)

// What a gateway, or something that is none, answers instead of what was asked says what to do, with an exit code.
func TestAskingGoesWrong(t *testing.T) {
	dir := t.TempDir()
	profile := filepath.Join(dir, "profile")
	answer := func(status int, reason string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]string{"reason": reason})
		}
	}
	for _, tc := range []struct {
		server http.HandlerFunc
		args   []string
		code   int
		want   string
	}{
		{answer(401, "Failed to authenticate: no token"), []string{"status"}, exitRuntime, "no token; log in as a super-user with --token-file or --token"},
		{answer(401, "Failed to authenticate: it has expired"), []string{"status", "--token", "t"}, exitRuntime, ": it has expired\n"},
		{answer(403, "only super-users may do this"), []string{"close", "1"}, exitRuntime, "403 Forbidden: only super-users may do this"},
		{answer(404, "Not Found"), []string{"top"}, exitRuntime, "operatorPages is false, or operatorServicePort says where they are"},
		{answer(404, "there is no session with this id"), []string{"close", "1"}, exitRuntime, "there is no session with this id"},
		{answer(400, `level "loud": expected debug`), []string{"log-level", "loud"}, exitUsage, `level "loud": expected debug`},
		{answer(400, `parameter sort: "x" is no field`), []string{"sessions", "--sort", "x"}, exitUsage, `parameter sort: "x" is no field`},
		{answer(404, "there is no profile"), []string{"profile", "x", profile}, exitRuntime, "there is no profile"},
		{http.NotFound, []string{"topics"}, exitRuntime, "is this a pulsegate"},
		{func(http.ResponseWriter, *http.Request) {}, []string{"status"}, exitRuntime, "the answer is not from a pulsegate"},
	} {
		s := httptest.NewServer(tc.server)
		code, stdout, stderr := command(t, append(tc.args, "--url", s.URL)...)
		if code != tc.code || !strings.Contains(stderr, tc.want) {
			t.Errorf("%q: exit code %d, output %q %q", tc.args, code, stdout, stderr)
		}
		s.Close()
	}
	if _, err := os.Stat(profile); err == nil {
		t.Error("a profile that was not taken has a file")
	}

	s := httptest.NewServer(http.NotFoundHandler())
	secure := "https" + strings.TrimPrefix(s.URL, "http")
	if code, _, stderr := command(t, "status", "--url", secure); code != exitRuntime || !strings.Contains(stderr, "; try "+s.URL) {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	at := strings.TrimPrefix(s.URL, "http://")
	if code, _, stderr := command(t, "consume", "wss://"+at+"/x?token=hunter2"); code != exitRuntime || !strings.Contains(stderr, "try ws://"+at+"/x:") ||
		strings.Contains(stderr, "hunter2") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	s.Close()
	if code, _, stderr := command(t, "status", "--url", s.URL); code != exitRuntime || !strings.Contains(stderr, "no answer at "+s.URL) || strings.Contains(stderr, "--url") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	_, port, _ := strings.Cut(at, ":")
	if code, _, stderr := command(t, "status", "--set", "webServicePort="+port); code != exitRuntime || !strings.Contains(stderr, "name the address of another with --url") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

// The help of lists tells what filters and sorting take, in the words of the documentation.
func TestHelpOfLists(t *testing.T) {
	for _, list := range []string{"sessions", "topics", "upstream", "brokers", "refusals"} {
		code, stdout, _ := command(t, list, "--help")
		for _, want := range []string{"a string by a pattern", "a number by a minimum", "a time by\nthe earliest", "-n and --offset make pages", "in front for descending order.", "in front for descending order (default"} {
			if code != exitOK || !strings.Contains(stdout, want) {
				t.Errorf("%s: no %q in %s", list, want, stdout)
			}
		}
	}
}

// shares is a gateway that has these at the brokers. Nothing else may be asked of it.
type shares struct {
	operator.Source
	clients  []operator.Client
	sessions []operator.Session
}

func (s *shares) Sessions(visit func(*operator.Session) bool) {
	for i := range s.sessions {
		if !visit(&s.sessions[i]) {
			return
		}
	}
}

func (s *shares) Clients(visit func(*operator.Client) bool) {
	for i := range s.clients {
		if !visit(&s.clients[i]) {
			return
		}
	}
}

// upstream lists what is shared, the most shared first, and takes the filters, the order and the count of the other lists.
func TestWhatIsShared(t *testing.T) {
	const orders, bills = "persistent://public/default/orders", "persistent://public/default/bills"
	s := httptest.NewServer(operator.NewHandler(&shares{clients: []operator.Client{
		{ID: 4, Kind: "producer", Topic: orders, Sessions: 7, Connected: true},
		{ID: 5, Kind: "consumer", Topic: orders, Subscription: "s", Role: "app", Sessions: 3},
		{ID: 6, Kind: "tail", Topic: bills, Sessions: 900, Connected: true},
	}}, slog.New(slog.DiscardHandler)))
	defer s.Close()
	const (
		head     = "ID SESSIONS KIND CONNECTED ROLE TOPIC SUBSCRIPTION"
		tail     = "6 900 tail true - public/default/bills -"
		producer = "4 7 producer true - public/default/orders -"
		consumer = "5 3 consumer false app public/default/orders s"
	)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{nil, []string{head, tail, producer, consumer}},
		{[]string{"--sort", "sessions"}, []string{head, consumer, producer, tail}},
		{[]string{"--where", "topic=*/orders", "--where", "sessions=5"}, []string{head, producer}},
		{[]string{"--where", "connected=false"}, []string{head, consumer}},
		{[]string{"--where", "id=5"}, []string{head, consumer}},
		{[]string{"-n", "1"}, []string{head, tail, "… 1 to 1 of 3; --offset 1 shows more"}},
		{[]string{"-n", "1", "--offset", "1"}, []string{head, producer, "… 2 to 2 of 3; --offset 2 shows more"}},
		{[]string{"-n", "1", "--offset", "2"}, []string{head, consumer, "… 3 to 3 of 3"}},
		{[]string{"--offset", "3"}, []string{head, "… none from 4 on, of 3"}},
	} {
		code, stdout, stderr := command(t, append([]string{"upstream", "--url", s.URL}, c.args...)...)
		var got []string
		for line := range strings.Lines(stdout) {
			got = append(got, strings.Join(strings.Fields(line), " "))
		}
		if code != exitOK || !slices.Equal(got, c.want) {
			t.Errorf("%q: exit code %d, %q %s", c.args, code, got, stderr)
		}
	}
}

// sessions lists those of one client at the brokers, beside other filters, and says where its id is found.
func TestSessionsOfAClient(t *testing.T) {
	session := func(id uint64, role string, upstream ...uint64) operator.Session {
		return operator.Session{ID: id, Kind: "consumer", Role: role, Address: netip.MustParseAddrPort("192.0.2.1:1000"), Upstream: upstream}
	}
	s := httptest.NewServer(operator.NewHandler(&shares{sessions: []operator.Session{
		session(1, "app", 7), session(2, "app", 8), session(3, "web", 9, 7), session(4, "app"),
	}}, slog.New(slog.DiscardHandler)))
	defer s.Close()
	const twice = `--where "upstream=7": expected field=value, once for each field`
	for _, c := range []struct {
		args []string
		ids  []string
		code int
		want string // of what is wrong
	}{
		{nil, []string{"1", "2", "3", "4"}, exitOK, ""},
		{[]string{"--upstream", "7"}, []string{"1", "3"}, exitOK, ""},
		{[]string{"--upstream", "7", "--where", "role=app"}, []string{"1"}, exitOK, ""},
		{[]string{"--upstream", "6"}, nil, exitOK, ""},
		{[]string{"--upstream", "x"}, nil, exitUsage, `pulsegate sessions: --upstream "x": it must be a client's id (pulsegate upstream prints them)`},
		{[]string{"--upstream", "0"}, nil, exitUsage, `--upstream "0": it must be a client's id`},
		{[]string{"--upstream", "7", "--where", "upstream=7"}, nil, exitUsage, twice},
		{[]string{"--upstream", "7", "--token", "a", "--token-file", "b"}, nil, exitUsage, "--token and --token-file exclude each other"},
		{[]string{"--where", "upstream=x"}, nil, exitUsage, `parameter upstream: "x": expected the id of a client at the brokers, as the list upstream has it`},
	} {
		code, stdout, stderr := command(t, append([]string{"sessions", "--sort", "id", "--url", s.URL}, c.args...)...)
		var ids []string
		for line := range strings.Lines(stdout) {
			ids = append(ids, strings.Fields(line)[0])
		}
		if code != c.code || !strings.Contains(stderr, c.want) || code == exitOK && !slices.Equal(ids[1:], c.ids) {
			t.Errorf("%q: exit code %d, %v %s", c.args, code, ids, stderr)
		}
	}
}

// What is wrong with the flags of a list is told before anything is asked, with what to do instead.
func TestFlagsOfLists(t *testing.T) {
	for _, list := range []string{"sessions", "topics", "upstream", "brokers", "refusals"} {
		for _, c := range []struct {
			args []string
			want string
		}{
			{[]string{"--offset", "-1"}, "--offset -1: with -n 50 it must be from 0 to 9950"},
			{[]string{"--offset", "9900", "-n", "101"}, "--offset 9900: with -n 101 it must be from 0 to 9899; --where leaves out"},
			{[]string{"-n", "1001"}, "-n, --count 1001: it must be from 1 to 1000"},
			{[]string{"--where", "limit=5"}, `--where "limit=5": it is no field; the flags are --sort, -n and --offset`},
			{[]string{"--where", "kind"}, `--where "kind": expected field=value`},
		} {
			code, stdout, stderr := command(t, slices.Concat([]string{list, "--url", "http://localhost:1"}, c.args)...)
			if code != exitUsage || stdout != "" || !strings.Contains(stderr, c.want) {
				t.Errorf("%s %q: exit code %d, %q", list, c.args, code, stderr)
			}
		}
	}
	if l := (ask.Page{Count: 50, Offset: 9940}); l.More() != "--where with a filter" {
		t.Error(l.More())
	}
}

// troubles is a gateway in trouble.
type troubles struct{ operator.Source }

func (troubles) Status() operator.Status { return operator.Status{Version: "v1", Ready: "no broker"} }

func (troubles) Brokers() []operator.Broker {
	return []operator.Broker{{Address: "a:6650", State: "up"}, {Address: "b:6650", State: "down", Error: "connection refused"}}
}

func (troubles) Refusals() (list []operator.Refusal) {
	for i := range 12 {
		list = append(list, operator.Refusal{
			Time: time.Now().Add(-time.Duration(i) * time.Hour), What: "session refused", Code: 401 + i%2, Reason: fmt.Sprintf("no %d", i), Address: netip.MustParseAddrPort("192.0.2.1:1"),
		})
	}
	return list
}

// refusals and brokers print what is wrong, found by filters; status prints the beginning of both, and says where there is more.
func TestTroubles(t *testing.T) {
	s := httptest.NewServer(operator.NewHandler(troubles{}, slog.New(slog.DiscardHandler)))
	defer s.Close()
	for _, c := range []struct {
		args       []string
		want, none []string
		lines      int
	}{
		{[]string{"brokers"}, []string{"BROKER", "connection refused\na:6650"}, nil, 3},
		{[]string{"brokers", "--where", "state=up"}, []string{"a:6650"}, []string{"b:6650"}, 2},
		{[]string{"refusals"}, []string{"AGO", "no 0\n1h"}, []string{"…"}, 13},
		{[]string{"refusals", "--where", "code=402", "-n", "3", "--offset", "2"}, []string{"no 5\n", "… 3 to 5 of 6; --offset 5 shows more\n"}, []string{"401", "no 3\n"}, 5},
		{[]string{"status"}, []string{"connection refused\na:6650", "no 9\n", "… 1 to 10 of 12; pulsegate refusals shows more\n"}, []string{"no 10"}, 0},
	} {
		code, stdout, stderr := command(t, append(c.args, "--url", s.URL)...)
		if code != exitOK || c.lines != 0 && strings.Count(stdout, "\n") != c.lines {
			t.Errorf("%q: exit code %d, %s%s", c.args, code, stdout, stderr)
		}
		text := regexp.MustCompile(` +\n`).ReplaceAllString(stdout, "\n")
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%q: no %q in %s", c.args, want, stdout)
			}
		}
		for _, none := range c.none {
			if strings.Contains(text, none) {
				t.Errorf("%q: %q in %s", c.args, none, stdout)
			}
		}
	}
}
