package conformance

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Case is one line of the table.
type Case struct {
	// ID is stable and unique: "area/what".
	ID string
	// Text says what is given and what must follow, in one line.
	Text string
	// Better, if set, says why the Java proxy fails this case: where pulsegate
	// does better on purpose.
	Better string
	// Worse, if set, says why pulsegate on a real broker fails this case, which
	// the Java proxy passes. Such a mark, too, has to be right.
	Worse string
	// Skip names targets on which the case makes no sense, with the reason.
	Skip map[Kind]string
	// Conf is the configuration variant the case needs; nil is the default.
	Conf Conf
	// Slow says that the case has to wait for seconds; such cases start first.
	Slow bool
	// Timeout bounds the whole case; zero is DefaultTimeout. Where Java fails the
	// case and is not to take long for it, the others have DefaultTimeout all the same.
	Timeout time.Duration
	// Run performs the case. It ends through T's failing methods or returns.
	Run func(t *T)
}

// DefaultTimeout bounds a case that names no timeout.
const DefaultTimeout = 30 * time.Second

// Area is a part of the table.
type Area struct {
	Name  string
	Cases []Case
}

// T is one run of a case on one target. It belongs to the goroutine of the
// case; its methods must not be called from another.
type T struct {
	Kind     Kind
	Endpoint Endpoint

	ctx      context.Context
	deadline time.Time
	id       string
	cleanups []func()
	trace    []string
	observed func(Exchange) // nil: nobody wants to know
}

type failure struct{ msg string }

type skipped struct{ why string }

// A failure is reported with the first and the last lines of the trace.
const (
	traceHead = 12
	traceTail = 24
)

// Fatalf ends the case as failed.
func (t *T) Fatalf(format string, args ...any) {
	panic(failure{fmt.Sprintf(format, args...)})
}

// Skip ends the case as one that does not apply to the broker.
func (t *T) Skip(why string) { panic(skipped{why}) }

// needs skips the case on a broker that is older than a release of Pulsar.
func (t *T) needs(major, minor int, why string) {
	if since := t.Endpoint.Since; since != nil && !since(major, minor) {
		t.Skip(fmt.Sprintf("%s (Pulsar %d.%d)", why, major, minor))
	}
}

// logf adds a line to the trace that a failure is reported with.
func (t *T) logf(format string, args ...any) {
	if len(t.trace) == traceHead+2*traceTail {
		t.trace = slices.Delete(t.trace, traceHead, traceHead+traceTail)
	}
	t.trace = append(t.trace, fmt.Sprintf(format, args...))
}

// cleanup registers what has to be done when the case is over, last first.
func (t *T) cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

// Eventually polls until ok returns true; the case fails when its time is up.
func (t *T) Eventually(what string, ok func() bool) {
	for !ok() {
		select {
		case <-t.ctx.Done():
			t.Fatalf("never came true: %s", what)
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// EventuallyWithin is Eventually with less time than the case has.
func (t *T) EventuallyWithin(limit time.Duration, what string, ok func() bool) {
	end := time.Now().Add(limit)
	t.Eventually(what, func() bool {
		if time.Now().After(end) {
			t.Fatalf("did not come true within %v: %s", limit, what)
		}
		return ok()
	})
}

// run makes topic names unique over processes that share a broker.
var run = fmt.Sprintf("%x", time.Now().UnixMilli())

var topicNumber atomic.Int64

// Topic returns a new persistent topic in public/default.
func (t *T) Topic() Topic { return t.TopicIn("persistent/public/default") }

// TopicIn returns a new topic in a namespace given as path segments.
func (t *T) TopicIn(namespace string) Topic {
	name := strings.ReplaceAll(t.id, "/", "-")
	return Topic(fmt.Sprintf("%s/%s-%s-%d", namespace, name, run, topicNumber.Add(1)))
}

// Topic is a topic as path segments: "persistent/public/default/name".
type Topic string

// Name returns the full topic name: "persistent://public/default/name".
func (t Topic) Name() string { return strings.Replace(string(t), "/", "://", 1) }

// Local returns the last segment of the topic.
func (t Topic) Local() string { return string(t[strings.LastIndexByte(string(t), '/')+1:]) }

// Outcome is what became of a case on a target.
type Outcome struct {
	Passed  bool
	Skipped string // why the case does not apply; empty if it ran
	NotRun  string // why its server could not be started
	Failure string // what was expected and what came, with the last frames
	Took    time.Duration
}

// limit bounds the case on a target.
func (c *Case) limit(kind Kind) time.Duration {
	if c.Timeout == 0 || c.Better != "" && kind != Java {
		return max(c.Timeout, DefaultTimeout)
	}
	return c.Timeout
}

// runCase performs one case and turns its end into an outcome.
func runCase(parent context.Context, target *Target, ep Endpoint, c Case) (out Outcome) {
	ctx, cancel := context.WithTimeout(parent, c.limit(target.Kind))
	defer cancel()
	deadline, _ := ctx.Deadline()
	t := &T{Kind: target.Kind, Endpoint: ep, ctx: ctx, deadline: deadline, id: c.ID, observed: target.Observed}
	start := time.Now()
	defer func() {
		r := recover()
		for i := len(t.cleanups) - 1; i >= 0; i-- {
			t.cleanups[i]()
		}
		out.Took = time.Since(start)
		switch r := r.(type) {
		case nil:
			out.Passed = true
		case skipped:
			out.Skipped = r.why
		case failure:
			out.Failure = r.msg + "\n" + strings.Join(t.trace, "\n")
		default:
			out.Failure = fmt.Sprintf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	c.Run(t)
	return out
}
