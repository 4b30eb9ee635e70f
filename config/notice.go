package config

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/pulsegate/pulsegate/filename"
)

// Notice is something about a configuration that is no error.
type Notice struct {
	Kind   NoticeKind
	Key    string
	Source Source
	Text   string
}

// NoticeKind sorts notices.
type NoticeKind uint8

// The kinds of notices.
const (
	Unknown  NoticeKind = iota // no such key, most likely a slip
	Ignored                    // the key counts for nothing because of another setting
	NoEffect                   // a key of the Java proxy that has nothing to act on here
	OldName                    // the key has another name today; the old one works
	Limit                      // a value of the Java proxy's stock file that holds this server back
	Risky                      // it works, but should not stay that way
)

// String returns the notice as one line.
func (n Notice) String() string {
	switch n.Kind {
	case Unknown:
		return fmt.Sprintf("%s (%s): unknown key, ignored%s", n.Key, n.Source, n.Text)
	case Ignored:
		return fmt.Sprintf("%s (%s): ignored: %s", n.Key, n.Source, n.Text)
	case NoEffect:
		return fmt.Sprintf("%s (%s): accepted without effect: %s", n.Key, n.Source, n.Text)
	case OldName:
		return fmt.Sprintf("%s (%s): an old name, which works; today it is %s", n.Key, n.Source, n.Text)
	default:
		return fmt.Sprintf("%s (%s): %s", n.Key, n.Source, n.Text)
	}
}

// LogNotices logs each notice as a warning, except that the keys without effect are
// named together in one line at info: a file for the Java proxy may have many.
func LogNotices(log *slog.Logger, notices []Notice) {
	var idle []string
	for _, n := range notices {
		if n.Kind == NoEffect {
			idle = append(idle, n.Key)
			continue
		}
		log.LogAttrs(context.Background(), slog.LevelWarn, "configuration: "+n.String())
	}
	if len(idle) > 0 {
		log.LogAttrs(context.Background(), slog.LevelInfo, "configuration: keys accepted without effect", slog.String("keys", strings.Join(idle, ",")))
	}
}

func unknown(e entry) Notice {
	if isPassThrough(e.name) {
		return Notice{Kind: NoEffect, Key: e.name, Source: e.source, Text: "pulsegate has no such setting for its connections to the brokers."}
	}
	// Hardly a key of Pulsar is so long and has digits; the line is named all the same.
	if strings.ContainsAny(e.name, "0123456789+/") && !filename.Plausible(e.name) {
		return Notice{Kind: Unknown, Key: masked, Source: e.source, Text: "; it is not repeated, as it may be a line of a key in PEM"}
	}
	n := Notice{Kind: Unknown, Key: e.name, Source: e.source}
	if s := suggest(e.name); s != "" {
		n.Text = "; did you mean " + s + "?"
	}
	return n
}

// suggest returns the known key closest to name, "" if none is close.
func suggest(name string) string {
	var known []string
	for _, k := range table {
		for _, a := range k.names() {
			known = append(known, a.Name)
		}
	}
	return Nearest(name, known)
}

// slips is how many letters of a key that security depends on may be wrong for it to be
// taken as meant. Any letter may have the other case.
const slips = 2

// mistyped returns the key that security depends on which name was most likely meant to
// be, "" for none. prefix is what the token keys' names start with, too.
func mistyped(name, prefix string) string {
	best, least := "", slips+1
	for _, k := range table {
		for _, a := range k.names() {
			if !k.guards(a.Name) {
				continue
			}
			for _, written := range []string{name, strings.TrimPrefix(name, prefix)} {
				if d := distance(strings.ToLower(written), strings.ToLower(a.Name), least); d < least {
					best, least = a.Name, d
				}
			}
		}
	}
	return best
}

// distance is the number of bytes to insert, delete or replace to make b of a,
// or limit if it is not below that.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return min(row[len(b)], limit)
}
