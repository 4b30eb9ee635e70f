package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/pulsegate/pulsegate/operator"
)

const (
	// incidentSpan is how long incidents of one kind are counted together, and
	// incidentLines how many of them are logged on their own meanwhile.
	incidentSpan  = 10 * time.Second
	incidentLines = 3

	// maxShown bounds a text from a client in the log, in bytes.
	maxShown = 200
)

// The keys of the limits that a server refuses clients for.
const (
	limitConnections = "maxHttpServerConnections"
	limitAddress     = "maxSessionsPerAddress"
	limitRequests    = "maxConcurrentHttpRequests"
	limitMemory      = "memoryLimitInMB"
	limitMessage     = "webSocketMaxTextFrameSize"
	limitURL         = "maxUrlBytes"
	limitHead        = "maxHttpHeaderBytes"
	limitHandshake   = "handshakeTimeoutMillis"
	limitLogins      = "maxFailedLoginsPerAddress"
	limitRoles       = "maxOriginalPrincipals"
)

// incident is a client that is refused, or a limit that is reached. What tells its
// kind is never from a client, so that kinds are few; the rest may be.
type incident struct {
	what  string // such as "session refused"
	code  int    // HTTP status or close code, 0 for neither
	limit string // key of the limit that is reached, "" for none

	reason string
	remote netip.AddrPort
	more   []any // further attributes: names and texts in turn
}

// incidents tells the operator what happens to clients without letting them flood
// the log: of each kind the first few in a while are logged on their own, at info;
// the others at debug, and together at info with their number when the while is over.
//
// It may be used from any goroutine. mu guards kinds; nothing is logged under it.
type incidents struct {
	log   *slog.Logger
	count func(what, code, limit string)
	now   func() time.Time

	mu     sync.Mutex
	kinds  map[incidentKind]*tally
	latest []operator.Refusal // the last ones, at most maxLatest, as a ring
	oldest int                // where the next one goes once the ring is full
	behind atomic.Bool        // there are some to be told together
}

type incidentKind struct {
	what  string
	code  int
	limit string
}

// tally is what there was of a kind since a time.
type tally struct {
	since time.Time
	told  int
	left  int      // counted and not told
	last  incident // of those
}

// newIncidents makes them. Each is also given to count.
func newIncidents(log *slog.Logger, count func(what, code, limit string)) *incidents {
	return &incidents{log: log, count: count, now: time.Now, kinds: map[incidentKind]*tally{}}
}

// add logs or counts an incident.
func (i *incidents) add(in incident) {
	code := ""
	if in.code != 0 {
		code = strconv.Itoa(in.code)
	}
	i.count(in.what, code, in.limit)
	now := i.now()
	kind := incidentKind{in.what, in.code, in.limit}
	i.mu.Lock()
	t := i.kinds[kind]
	if t == nil {
		t = &tally{since: now}
		i.kinds[kind] = t
	}
	over := tally{}
	if now.Sub(t.since) >= incidentSpan {
		over, *t = *t, tally{since: now}
	}
	tell := t.told < incidentLines
	if tell {
		t.told++
	} else {
		t.left++
		t.last = in
		i.behind.Store(true)
	}
	i.remember(now, &in)
	i.mu.Unlock()
	i.together(kind, over)
	if tell {
		i.log.Info(in.what, in.attrs()...)
	} else if i.log.Enabled(context.Background(), slog.LevelDebug) {
		i.log.Debug(in.what, in.attrs()...)
	}
}

// maxLatest is how many refusals an operator can look back on.
const maxLatest = 200

// remember keeps an incident for the operator. Called with mu held.
func (i *incidents) remember(now time.Time, in *incident) {
	r := operator.Refusal{Time: now, What: in.what, Code: in.code, Key: in.limit, Reason: printable(in.reason), Address: in.remote}
	for j := 0; j+1 < len(in.more); j += 2 {
		if r.More == nil {
			r.More = map[string]string{}
		}
		r.More[fmt.Sprint(in.more[j])] = printable(fmt.Sprint(in.more[j+1]))
	}
	if len(i.latest) < maxLatest {
		i.latest = append(i.latest, r)
		return
	}
	i.latest[i.oldest] = r
	i.oldest = (i.oldest + 1) % maxLatest
}

// last lists what is remembered, the newest first.
func (i *incidents) last() []operator.Refusal {
	i.mu.Lock()
	list := slices.Concat(i.latest[i.oldest:], i.latest[:i.oldest])
	i.mu.Unlock()
	slices.Reverse(list)
	return list
}

// flush tells together what was counted, where the while is over, or all of it.
func (i *incidents) flush(all bool) {
	if !i.behind.Load() {
		return
	}
	now := i.now()
	over := map[incidentKind]tally{}
	i.mu.Lock()
	behind := false
	for kind, t := range i.kinds {
		switch {
		case all || now.Sub(t.since) >= incidentSpan:
			over[kind] = *t
			delete(i.kinds, kind)
		case t.left > 0:
			behind = true
		}
	}
	i.behind.Store(behind)
	i.mu.Unlock()
	for kind, t := range over {
		i.together(kind, t)
	}
}

func (i *incidents) together(kind incidentKind, t tally) {
	if t.left == 0 {
		return
	}
	args := []any{"count", t.left, "within", i.now().Sub(t.since).Round(time.Second)}
	i.log.Info(kind.what+": more of the kind, of which this is the last", append(args, t.last.attrs()...)...)
}

func (in *incident) attrs() []any {
	var args []any
	switch {
	case in.code >= 1000:
		args = append(args, "code", in.code)
	case in.code != 0:
		args = append(args, "status", in.code)
	}
	if in.limit != "" {
		args = append(args, "limit", in.limit)
	}
	args = append(args, "reason", printable(in.reason), "remote", in.remote.String())
	for _, v := range in.more {
		if text, ok := v.(string); ok {
			v = printable(text)
		}
		args = append(args, v)
	}
	return args
}

// printable makes a text that may be a client's fit for the log: short, and with
// what cannot be seen written as escapes. The log's own quotes come on top.
func printable(s string) string {
	cut := ""
	if len(s) > maxShown {
		end := maxShown
		for end > maxShown-utf8.UTFMax && !utf8.RuneStart(s[end]) {
			end--
		}
		s, cut = s[:end], "…"
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) || r == utf8.RuneError }) {
		quoted := strconv.Quote(s)
		s = quoted[1 : len(quoted)-1]
	}
	return s + cut
}
