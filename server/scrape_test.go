package server

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
)

// waitTogether counts the requests that wait for an answer of a [shared], or make it.
func waitTogether() int {
	var profile strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&profile, 1) // which tells of those that do the same together: there are hundreds
	_, stacks, _ := strings.Cut(profile.String(), "\n")
	waiting := 0
	for stack := range strings.SplitSeq(stacks, "\n\n") {
		if strings.Contains(stack, "server.(*shared).wait+") {
			count := 0
			_, _ = fmt.Sscan(stack, &count)
			waiting += count
		}
	}
	return waiting
}

// looker is a collector that shows a value as it is when a gathering begins.
type looker struct {
	value   atomic.Int64
	looks   atomic.Int64
	looking chan struct{} // nil: it does not wait
	look    chan struct{} // closed when it may go on
	boom    atomic.Bool   // it panics
	bad     atomic.Bool   // what it shows panics
	more    []string      // values of a label, to show more
}

var (
	lookedAt   = metric("looked_at", "A value that the test changes.")
	lookedMore = metric("looked_more", "The same with a label.", "more")
)

func (l *looker) Describe(ch chan<- *prometheus.Desc) { ch <- lookedAt }

func (l *looker) Collect(ch chan<- prometheus.Metric) {
	seen := l.value.Load()
	if l.looks.Add(1) == 1 && l.looking != nil {
		close(l.looking)
		<-l.look
	}
	if l.boom.Load() {
		panic("boom while collecting")
	}
	if l.bad.Load() {
		ch <- badMetric{}
		return
	}
	ch <- prometheus.MustNewConstMetric(lookedAt, prometheus.GaugeValue, float64(seen))
	for _, label := range l.more {
		ch <- prometheus.MustNewConstMetric(lookedMore, prometheus.GaugeValue, float64(seen), label)
	}
}

type badMetric struct{}

func (badMetric) Desc() *prometheus.Desc  { return lookedAt }
func (badMetric) Write(*dto.Metric) error { panic("boom while writing") }

// What asks for each of the formats in which metrics can be had, and for others.
var accepts = []string{
	"", "application/openmetrics-text;version=1.0.0", "application/openmetrics-text;version=0.0.1",
	"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
	"text/plain;version=0.0.4;escaping=allow-utf-8",
	"image/png", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text, text/plain;q=0.5",
}

func scrapeHead(i int) string {
	return "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: " + accepts[i%len(accepts)] + "\r\n\r\n"
}

// TestManyScrapes has hundreds ask for metrics while a first one is being answered, more than may be worked on at once:
// none is refused, all get what is true after they asked, and it is gathered once for each format. Meanwhile others are
// served, and of those who go away nothing is left.
func TestManyScrapes(t *testing.T) {
	const many, leave = 300, 40
	l := &looker{looking: make(chan struct{}), look: make(chan struct{})}
	free := sync.OnceFunc(func() { close(l.look) })
	s := start(t, echoBridge(), func(o *Options) {
		o.Collectors, o.MaxConcurrentRequests = []prometheus.Collector{l}, 100
	})
	t.Cleanup(free) // before the server is closed
	l.value.Store(1)
	first := dialRaw(t, s)
	first.send(scrapeHead(0))
	receive(t, l.looking, "the first look")
	l.value.Store(2)
	var clients, leavers []*rawConn
	for i := range many + leave {
		c := dialRaw(t, s)
		c.send(scrapeHead(i))
		if i < many {
			clients = append(clients, c)
		} else {
			leavers = append(leavers, c)
		}
	}
	eventually(t, "all wait", func() bool { return waitTogether() == 1+many+leave })
	if resp, _ := get(t, s, "/healthz"); resp.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %s", resp.Status)
	}
	for _, c := range leavers {
		_ = c.Conn.(*net.TCPConn).SetLinger(0) // a reset: one that ends its direction is owed the answer
		_ = c.Close()
	}
	eventually(t, "those who left are forgotten", func() bool { return waitTogether() == 1+many })
	free()
	if resp, body := first.response(); resp.StatusCode != http.StatusOK || !strings.Contains(body, "\npulsegate_looked_at 1\n") {
		t.Errorf("the first: %s, %d bytes", resp.Status, len(body))
	}
	for i, c := range clients {
		resp, body := c.response()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("client %d: %s %s", i, resp.Status, body)
		}
		if resp.Header.Get("Content-Type")[:4] == "text" && !strings.Contains(body, "\npulsegate_looked_at 2\n") {
			t.Errorf("client %d got what was true before it asked", i)
		}
	}
	if n := int(l.looks.Load()); n != 1+len(scrapeFormats) {
		t.Errorf("%d looks for %d formats", n, len(scrapeFormats))
	}
	eventually(t, "all is over", func() bool { return waitTogether() == 0 && s.requests.used.Load() == 0 })
	// A connection goes on.
	clients[0].send(scrapeHead(0))
	if resp, _ := clients[0].response(); resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
}

// TestScrapeIsFresh changes a value before each request: the answer has the new one.
func TestScrapeIsFresh(t *testing.T) {
	l := &looker{}
	s := start(t, echoBridge(), func(o *Options) { o.Collectors = []prometheus.Collector{l} })
	for i := range 20 {
		l.value.Store(int64(i))
		if _, body := get(t, s, "/metrics"); !strings.Contains(body, fmt.Sprintf("\npulsegate_looked_at %d\n", i)) {
			t.Fatalf("no %d", i)
		}
	}
}

// TestScrapePanics has metrics panic, in a collector and where they are written, while many wait: all are answered, without what it
// was, and later ones get metrics again.
func TestScrapePanics(t *testing.T) {
	for name, boom := range map[string]func(*looker) *atomic.Bool{
		"collector": func(l *looker) *atomic.Bool { return &l.boom },
		"metric":    func(l *looker) *atomic.Bool { return &l.bad },
	} {
		t.Run(name, func(t *testing.T) {
			const many = 50
			l := &looker{looking: make(chan struct{}), look: make(chan struct{})}
			free := sync.OnceFunc(func() { close(l.look) })
			s := start(t, echoBridge(), func(o *Options) { o.Collectors = []prometheus.Collector{l} })
			t.Cleanup(free)
			boom(l).Store(true)
			var clients []*rawConn
			for range many {
				c := dialRaw(t, s)
				c.send(scrapeHead(0))
				clients = append(clients, c)
			}
			receive(t, l.looking, "the first look")
			eventually(t, "all wait", func() bool { return waitTogether() == many })
			free()
			for _, c := range clients {
				if resp, body := c.response(); resp.StatusCode != http.StatusInternalServerError || body != `{"reason":"internal error"}` {
					t.Fatalf("%s %s", resp.Status, body)
				}
			}
			boom(l).Store(false)
			if resp, _ := get(t, s, "/metrics"); resp.StatusCode != http.StatusOK {
				t.Error(resp.Status)
			}
		})
	}
}

// TestScrapeFormats compares each format with what Prometheus' own library answers.
func TestScrapeFormats(t *testing.T) {
	s, err := New(bounded(Options{Bridge: newFakeBridge()}))
	if err != nil {
		t.Fatal(err)
	}
	library := promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{DisableCompression: true, EnableOpenMetrics: true, AcceptedFormats: scrapeFormats})
	// What is the same each time: what there is, and the end.
	shape := func(body string) (lines []string) {
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "pulsegate_build_info{") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	for i, accept := range accepts {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Accept", accept)
		ours, theirs := httptest.NewRecorder(), httptest.NewRecorder()
		library.ServeHTTP(theirs, r)
		s.handler.ServeHTTP(ours, r)
		theirType, _, _ := strings.Cut(theirs.Header().Get("Content-Type"), "; escaping=")
		ourType, escaping, _ := strings.Cut(ours.Header().Get("Content-Type"), "; escaping=")
		if ours.Code != 200 || ourType != theirType || escaping != "underscores" || ours.Header().Get("Vary") != theirs.Header().Get("Vary") {
			t.Errorf("format %d: %d %v, the library's %v", i, ours.Code, ours.Header(), theirs.Header())
		}
		if got, want := shape(ours.Body.String()), shape(theirs.Body.String()); !slices.Equal(got, want) || ours.Body.Len() < theirs.Body.Len()/2 {
			t.Errorf("format %d: %d bytes, the library's %d: %q, %q", i, ours.Body.Len(), theirs.Body.Len(), got, want)
		}
	}
}

// Names that no scraper wants escaped: [Server.scrape] relies on it.
func TestMetricNamesNeedNoEscaping(t *testing.T) {
	s, err := New(bounded(Options{Bridge: newFakeBridge(), MetricsNamespaces: 1}))
	if err != nil {
		t.Fatal(err)
	}
	families, err := s.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		names := []string{f.GetName()}
		for _, m := range f.Metric {
			for _, l := range m.Label {
				names = append(names, l.GetName())
			}
		}
		for _, name := range names {
			if !model.LegacyValidation.IsValidMetricName(name) {
				t.Error(name)
			}
		}
	}
}

// TestUnreadScrapes has clients ask at the same time that do not read: what the kernel does not take of their answers is there once, and
// each gets all of it when it reads.
func TestUnreadScrapes(t *testing.T) {
	const many, parts, part = 16, 80, 100 << 10 // more than the kernel takes
	l := &looker{looking: make(chan struct{}), look: make(chan struct{})}
	for i := range parts {
		l.more = append(l.more, fmt.Sprint(i, strings.Repeat("x", part)))
	}
	free := sync.OnceFunc(func() { close(l.look) })
	s := start(t, echoBridge(), func(o *Options) { o.Collectors = []prometheus.Collector{l} })
	t.Cleanup(free)
	before := heapInUse()
	var clients []*rawConn
	for range 1 + many {
		c := dialRaw(t, s)
		if err := c.Conn.(*net.TCPConn).SetReadBuffer(128 << 10); err != nil {
			t.Fatal(err)
		}
		c.send(scrapeHead(0))
		if clients = append(clients, c); len(clients) == 1 {
			receive(t, l.looking, "the first look")
		}
	}
	eventually(t, "all wait", func() bool { return waitTogether() == 1+many })
	free()
	unsent := int64(0)
	eventually(t, "output of all waits", func() bool {
		s.watch.mu.Lock()
		defer s.watch.mu.Unlock()
		waits := 0
		unsent = 0
		for _, c := range s.watch.conns {
			if c != nil && c.unsent.Load() > 0 && c.tellTaken.Load() {
				waits++
				unsent += c.unsent.Load()
			}
		}
		return waits == 1+many
	})
	if grown := int64(heapInUse() - before); grown > unsent/2 {
		t.Errorf("%d MB are held for %d MB that wait", grown>>20, unsent>>20)
	}
	for i, c := range clients {
		resp, body := c.response()
		if resp.StatusCode != http.StatusOK || len(body) < parts*part || strings.Count(body, l.more[parts-1]) != 1 {
			t.Errorf("client %d: %s, %d bytes", i, resp.Status, len(body))
		}
	}
	eventually(t, "nothing waits", func() bool { return s.metrics.slowed.Load() == 0 })
}
