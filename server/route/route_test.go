package route

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

func mustParse(t *testing.T, target string) *Request {
	t.Helper()
	path, query, _ := strings.Cut(target, "?")
	r, err := Parse(path, query, Options{V1LegacyTime: true})
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return r
}

// A list may name as many topics as there may be, each counted once.
func TestNumberOfTopics(t *testing.T) {
	for query, ok := range map[string]bool{"topics=a,b": true, "topics=a,b,a,b,a": true, "topics=a,b,c": false, "topicsPattern=a,b,c": true} {
		_, err := Parse("/ws/v3/consumer/s", query, Options{MaxTopics: 2})
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "topics: there are more than the 2 that maxTopicsPerSession allows") {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestTopics(t *testing.T) {
	for target, want := range map[string]string{
		"/ws/v2/producer/persistent/public/default/t":             "persistent://public/default/t",
		"/ws/v2/producer/non-persistent/public/default/t":         "non-persistent://public/default/t",
		"/ws/producer/persistent/p/c/n/t":                         "persistent://p/c/n/t",
		"/ws/reader/persistent/p/c/n/t/u":                         "persistent://p/c/n/t/u",
		"/ws/v2/producer/persistent/public/default/a//b/":         "persistent://public/default/a/b",
		"/ws/v2/producer/persistent/public/default/a%2Fb":         "persistent://public/default/a/b",
		"/ws/v2/producer/persistent/public/default/a%20b+c":       "persistent://public/default/a b c",
		"/ws/v2/producer/persistent/public/default/%C3%BC;x=1":    "persistent://public/default/ü;x=1",
		"/ws/v2/reader/persistent/t-e=n:a.n_t/n/x":                "persistent://t-e=n:a.n_t/n/x",
		"/ws/v2/consumer/persistent/public/default/a%2Fb/s":       "persistent://public/default/a/b",
		"/ws/consumer/persistent/p/c/n/t/s":                       "persistent://p/c/n/t",
		"/ws/v3/consumer/s?topics=a,%20b,a,x/y/z":                 "persistent://public/default/a,persistent://public/default/b,persistent://x/y/z",
		"/ws/v3/consumer/s?topics=non-persistent://x/y/z,p/c/n/t": "non-persistent://x/y/z,persistent://p/c/n/t",
		"/ws/v3/consumer/s?topicsPattern=a.*":                     "persistent://public/default/a.*",
		"/ws/v3/consumer/s?topicsPattern=x/y/a.*":                 "persistent://x/y/a.*",
	} {
		if got := mustParse(t, target).Topic(); got != want {
			t.Errorf("%s: topic %q, want %q", target, got, want)
		}
	}
}

func TestSubscriptions(t *testing.T) {
	for segment, want := range map[string]string{"s": "s", "a%2Fb": "a/b", "a+b%2B": "a b+", "%C3%BC": "ü"} {
		if got := mustParse(t, "/ws/v2/consumer/persistent/public/default/t/"+segment).Consumer.Subscription; got != want {
			t.Errorf("%s: subscription %q, want %q", segment, got, want)
		}
	}
}

// Each target is refused with the status, and a reason that names what is at fault.
func TestRefused(t *testing.T) {
	const (
		producer = "/ws/v2/producer/persistent/public/default/t"
		consumer = "/ws/v2/consumer/persistent/public/default/t/s"
		reader   = "/ws/v2/reader/persistent/public/default/t"
	)
	for _, tc := range []struct {
		target string
		names  string // "" for a path that is none of a session
	}{
		{"/", ""}, {"/ws", ""}, {"/ws/", ""}, {"/ws/v2", ""}, {"/ws/v2/sender/persistent/a/b/c", ""}, {"/ws/producer", ""},
		{"/ws/v3/producer/s", ""}, {"/ws//v2/producer/persistent/a/b/c", ""}, {"/ws/v4/producer/persistent/a/b/c", ""},
		{"/ws/v2/producer/volatile/public/default/t", "domain"}, {"/ws/v2/producer/PERSISTENT/public/default/t", "domain"},
		{"/ws/v2/producer/persistent/public/default", "path"}, {"/ws/v2/producer/persistent/public/default/", "path"},
		{"/ws/v2/reader/persistent/public", "path"}, {"/ws/producer/persistent/public/default/t", "path"},
		{"/ws/v2/producer/persistent/public/default//t", "path"}, {"/ws/v2/producer/persistent//default/t", "name"},
		{"/ws/v2/producer/persistent/pub%6cic/default/t", "pub%6cic"}, {"/ws/v2/producer/persistent/public/default/%20", "topic"},
		{"/ws/v2/producer/persistent/public/default/%zz", "topic"}, {"/ws/v2/producer/persistent/public/default/%F0", "UTF-8"},
		{"/ws/v2/producer/persistent/public/default/a%00", "NUL"},
		{"/ws/v2/producer/persistent/public/default/" + strings.Repeat("x", 5000), "longer"},
		{"/ws/v2/consumer/persistent/public/default/t", "path"}, {"/ws/v2/consumer/persistent/public/default/t/s/x", "path"},
		{"/ws/v2/consumer/persistent/public/default/t/", "subscription"}, {"/ws/v2/consumer/persistent/public/default/t/%20", "subscription"},
		{"/ws/v2/consumer/persistent/public/default//s", "path"}, {"/ws/consumer/persistent/public/default/t/s", "path"},
		{"/ws/v3/consumer/s", "topicsPattern"}, {"/ws/v3/consumer/s?topics=a&topicsPattern=b", "both"}, {"/ws/v3/consumer/?topics=a", "subscription"},
		{"/ws/v3/consumer/s/x?topics=a", "path"}, {"/ws/v3/consumer/s?topics=a,,b", "topics"}, {"/ws/v3/consumer/s?topics=", "topics"},
		{"/ws/v3/consumer/s?topics=a/b", "topics"}, {"/ws/v3/consumer/s?topics=x://a/b/c", "domain"}, {"/ws/v3/consumer/s?topicsPattern=(", "topicsPattern"},
		{"/ws/v3/consumer/s?topicsPattern=persistent://a", "topicsPattern"},
		{"/ws/v3/consumer/s?topicsPattern=a)|(b", "topicsPattern"}, {"/ws/v3/consumer/s?topicsPattern=a%5CQb", "topicsPattern"},
		{"/ws/v3/consumer/s?topicsPattern=(?:" + strings.Repeat("x", 3300) + "){1000}", "too large"},
		{"/ws/v3/consumer/s?topicsPattern=((a{30}){30}){20}", "topicsPattern"}, {"/ws/v3/consumer/s?topicsPattern=(" + strings.Repeat("%5CpL", 40) + "){500}", "too large"},
		{producer + "?sendTimeoutMillis=%zz", "sendTimeoutMillis"}, {producer + "?x=%FF", "UTF-8"},
		{producer + "?sendTimeoutMillis=-1", "sendTimeoutMillis"}, {producer + "?sendTimeoutMillis=", "sendTimeoutMillis"},
		{producer + "?sendTimeoutMillis=2147483648", "sendTimeoutMillis"}, {producer + "?sendTimeoutMillis=+5", "sendTimeoutMillis"},
		{producer + "?producerName=", "producerName"}, {producer + "?producerName=%20", "producerName"},
		{producer + "?initialSequenceId=x", "initialSequenceId"}, {producer + "?hashingScheme=murmur3_32hash", "Murmur3_32Hash"},
		{producer + "?messageRoutingMode=x", "RoundRobinPartition"}, {producer + "?compressionType=lz4", "LZ4"},
		{producer + "?encryptionKeys=", "encryptionKeys"}, {producer + "?encryptionKeys=e30", "encryptionKeys"}, {producer + "?encryptionKeys=eyJhIjoxfQ%3D%3D", "encryptionKeys"}, {producer + "?batchingEnabled=TRUE&batchingMaxMessages=x", "batchingMaxMessages"},
		{producer + "?batchingEnabled=true&maxPendingMessages=-1", "maxPendingMessages"},
		{producer + "?batchingEnabled=true&batchingMaxPublishDelay=0", "batchingMaxPublishDelay"},
		{consumer + "?subscriptionType=shared", "Key_Shared"}, {consumer + "?subscriptionMode=durable", "NonDurable"},
		{consumer + "?subscriptionInitialPosition=latest", "Earliest"}, {consumer + "?receiverQueueSize=-1", "receiverQueueSize"},
		{consumer + "?receiverQueueSize=x", "receiverQueueSize"}, {consumer + "?ackTimeoutMillis=999", "ackTimeoutMillis"},
		{consumer + "?ackTimeoutMillis=-1", "ackTimeoutMillis"}, {consumer + "?consumerName=", "consumerName"},
		{consumer + "?priorityLevel=-1", "priorityLevel"}, {consumer + "?negativeAckRedeliveryDelay=x", "negativeAckRedeliveryDelay"},
		{consumer + "?maxRedeliverCount=0", "maxRedeliverCount"}, {consumer + "?deadLetterTopic=x", "maxRedeliverCount"},
		{consumer + "?maxRedeliverCount=1&deadLetterTopic=", "deadLetterTopic"}, {consumer + "?maxRedeliverCount=1&deadLetterTopic=%20%09", "deadLetterTopic"},
		{consumer + "?maxRedeliverCount=1&deadLetterTopic=a/b", "deadLetterTopic"}, {consumer + "?cryptoFailureAction=fail", "DISCARD"},
		{reader + "?messageId=x", "messageId"}, {reader + "?messageId=LATEST", "messageId"}, {reader + "?receiverQueueSize=x", "receiverQueueSize"},
		{reader + "?cryptoFailureAction=x", "cryptoFailureAction"},
	} {
		path, query, _ := strings.Cut(tc.target, "?")
		r, err := Parse(path, query, Options{})
		var e *Error
		switch {
		case !errors.As(err, &e):
			t.Errorf("%s: taken as %+v", tc.target, r)
		case tc.names == "" && e.Status != http.StatusNotFound, tc.names != "" && e.Status != http.StatusBadRequest:
			t.Errorf("%s: status %d: %s", tc.target, e.Status, e.Reason)
		case tc.names != "" && (!strings.HasPrefix(e.Reason, "Invalid query params: ") || !strings.Contains(e.Reason, tc.names)):
			t.Errorf("%s: reason %q does not name %q", tc.target, e.Reason, tc.names)
		}
		if IsSession(path) == (tc.names == "") {
			t.Errorf("%s: IsSession is %v", path, IsSession(path))
		}
	}
}

func TestProducerParameters(t *testing.T) {
	const path = "/ws/v2/producer/persistent/public/default/t"
	base := bridge.ProducerSpec{Topic: "persistent://public/default/t", SendTimeout: 30 * time.Second}
	for query, change := range map[string]func(*bridge.ProducerSpec){
		"": func(*bridge.ProducerSpec) {},
		"token=x&foo=bar&SendTimeoutMillis=x&batchingMaxMessages=x&maxPendingMessages=x&batchingMaxPublishDelay=x": func(*bridge.ProducerSpec) {},
		"batchingEnabled=yes&batchingMaxMessages=x":                                                                func(*bridge.ProducerSpec) {},
		"sendTimeoutMillis=0":                     func(s *bridge.ProducerSpec) { s.SendTimeout = 0 },
		"sendTimeoutMillis=7&sendTimeoutMillis=x": func(s *bridge.ProducerSpec) { s.SendTimeout = 7 * time.Millisecond },
		"send%54imeoutMillis=%37":                 func(s *bridge.ProducerSpec) { s.SendTimeout = 7 * time.Millisecond },
		"producerName=p%20q":                      func(s *bridge.ProducerSpec) { s.Name = "p q" },
		"initialSequenceId=-5":                    func(s *bridge.ProducerSpec) { s.InitialSequenceID, s.HasInitialSequenceID = -5, true },
		"hashingScheme=Murmur3_32Hash":            func(s *bridge.ProducerSpec) { s.HashingScheme = bridge.Murmur3 },
		"messageRoutingMode=RoundRobinPartition":  func(s *bridge.ProducerSpec) { s.Routing = bridge.RoundRobinPartition },
		"messageRoutingMode=CustomPartition":      func(*bridge.ProducerSpec) {},
		"compressionType=ZSTD":                    func(s *bridge.ProducerSpec) { s.Compression = bridge.ZSTD },
		"batchingEnabled=True": func(s *bridge.ProducerSpec) {
			s.Batching, s.BatchingMaxPending, s.BatchingMaxDelay = true, 1000, time.Millisecond
		},
		"batchingEnabled=true&batchingMaxMessages=0&maxPendingMessages=9&batchingMaxPublishDelay=20": func(s *bridge.ProducerSpec) {
			s.Batching, s.BatchingMaxPending, s.BatchingMaxDelay, s.MaxPending = true, largestBatch, 20*time.Millisecond, 9
		},
	} {
		want := base
		change(&want)
		if got := mustParse(t, path+"?"+query).Producer; got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", query, got, want)
		}
	}
}

func TestConsumerParameters(t *testing.T) {
	const path = "/ws/v2/consumer/persistent/public/default/t/s"
	type both struct {
		s bridge.ConsumerSpec
		o bridge.ConsumeOptions
	}
	base := both{
		bridge.ConsumerSpec{Topic: "persistent://public/default/t", Subscription: "s", Queue: 1000},
		bridge.ConsumeOptions{Window: 1000, NackDelay: time.Minute},
	}
	for query, change := range map[string]func(*both){
		"":                                          func(*both) {},
		"pullMode=x&ackTimeoutMillis=0":             func(*both) {},
		"subscriptionType=Shared":                   func(b *both) { b.s.Type = bridge.Shared },
		"subscriptionType=Failover":                 func(b *both) { b.s.Type = bridge.Failover },
		"subscriptionType=Key_Shared":               func(b *both) { b.s.Type = bridge.KeyShared },
		"subscriptionMode=NonDurable":               func(b *both) { b.s.NonDurable = true },
		"subscriptionInitialPosition=Earliest":      func(b *both) { b.s.Earliest = true },
		"receiverQueueSize=0":                       func(b *both) { b.s.Queue, b.o.Window = 1, 1 },
		"receiverQueueSize=5":                       func(b *both) { b.s.Queue, b.o.Window = 5, 5 },
		"receiverQueueSize=5000":                    func(*both) {},
		"ackTimeoutMillis=1000":                     func(b *both) { b.o.AckTimeout = time.Second },
		"consumerName=n":                            func(b *both) { b.s.Name = "n" },
		"priorityLevel=3":                           func(b *both) { b.s.PriorityLevel = 3 },
		"negativeAckRedeliveryDelay=100":            func(b *both) { b.o.NackDelay = 100 * time.Millisecond },
		"negativeAckRedeliveryDelay=0":              func(b *both) { b.o.NackDelay = 0 },
		"maxRedeliverCount=3":                       func(b *both) { b.s.MaxRedeliver = 3 },
		"maxRedeliverCount=3&deadLetterTopic=d":     func(b *both) { b.s.MaxRedeliver, b.s.DeadLetterTopic = 3, "persistent://public/default/d" },
		"maxRedeliverCount=3&deadLetterTopic=%20d+": func(b *both) { b.s.MaxRedeliver, b.s.DeadLetterTopic = 3, "persistent://public/default/d" },
		"pullMode=TRUE":                             func(b *both) { b.o.Pull = true },
		"cryptoFailureAction=CONSUME":               func(b *both) { b.s.CryptoFailure = bridge.CryptoConsume },
		"context=c":                                 func(b *both) { b.o.Format = codec.Format{Context: "c", HasContext: true} },
		"context=":                                  func(b *both) { b.o.Format = codec.Format{HasContext: true} },
	} {
		want := base
		change(&want)
		r := mustParse(t, path+"?"+query)
		if got := (both{r.Consumer, r.Consume}); got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", query, got, want)
		}
	}
}

func TestReaderParameters(t *testing.T) {
	const path = "/ws/v2/reader/persistent/public/default/t"
	base := bridge.ReaderSpec{Topic: "persistent://public/default/t", Queue: 1000}
	for query, change := range map[string]func(*bridge.ReaderSpec){
		"": func(*bridge.ReaderSpec) {}, "messageId=": func(*bridge.ReaderSpec) {}, "messageId=latest&readerName=": func(*bridge.ReaderSpec) {},
		"messageId=earliest": func(s *bridge.ReaderSpec) { s.Start = bridge.StartEarliest },
		"messageId=CAUQADAA": func(s *bridge.ReaderSpec) {
			s.Start = bridge.StartAtPosition
			s.Position, _ = codec.ParseMessageID([]byte("CAUQADAA"))
		},
		"readerName=r&receiverQueueSize=2": func(s *bridge.ReaderSpec) { s.Name, s.Queue = "r", 2 },
	} {
		want := base
		change(&want)
		r := mustParse(t, path+"?"+query)
		if r.Reader != want || r.Read.Window != want.Queue {
			t.Errorf("%s:\n got %+v\nwant %+v", query, r.Reader, want)
		}
	}
}

func TestPublishTimeFormat(t *testing.T) {
	for path, legacy := range map[string]bool{"/ws/reader/persistent/p/c/n/t": true, "/ws/v2/reader/persistent/p/n/t": false} {
		for _, configured := range []bool{true, false} {
			r, err := Parse(path, "", Options{V1LegacyTime: configured})
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Read.Format.LegacyTime; got != (legacy && configured) {
				t.Errorf("%s, configured %v: %v", path, configured, got)
			}
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, p := range []string{"/ws/v2/producer/persistent/public/default/t", "/ws/consumer/persistent/p/c/n/t/s", "/ws/v3/consumer/s",
		"/ws/v2/reader/persistent/public/default/a%2Fb//c", "/ws/v2/consumer/persistent/public/default/t/%20", "/ws/v2/producer"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, path string) {
		r, err := Parse(path, "topics=a", Options{})
		checkRequest(t, r, err)
		if errors.Is(err, ErrNotFound) == IsSession(path) {
			t.Fatalf("%q: IsSession is %v, error %v", path, IsSession(path), err)
		}
	})
}

func FuzzQuery(f *testing.F) {
	for _, q := range []string{"", "a=b&a=c", "sendTimeoutMillis=5&batchingEnabled=true", "topics=a,b", "topicsPattern=x/y/z.*", "messageId=CAUQADAA",
		"receiverQueueSize=0&context=%20", "maxRedeliverCount=1&deadLetterTopic=a/b/c", "%zz", "ackTimeoutMillis=1000;"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/ws/v2/producer/persistent/public/default/t", "/ws/v2/consumer/persistent/public/default/t/s",
			"/ws/v3/consumer/s", "/ws/reader/persistent/p/c/n/t"} {
			r, err := Parse(path, query, Options{})
			checkRequest(t, r, err)
		}
	})
}

// checkRequest checks what holds for every answer of Parse.
func checkRequest(t *testing.T, r *Request, err error) {
	t.Helper()
	var e *Error
	switch {
	case err != nil && !errors.As(err, &e):
		t.Fatalf("foreign error %v", err)
	case err != nil:
		if e.Reason == "" || !utf8.ValidString(e.Reason) || e.Status != 400 && e.Status != 404 {
			t.Fatalf("refused with %d %q", e.Status, e.Reason)
		}
		return
	}
	if !utf8.ValidString(r.Topic()) || !strings.Contains(r.Topic(), "persistent://") || strings.ContainsRune(r.Topic(), 0) {
		t.Fatalf("topic %q", r.Topic())
	}
	switch r.Kind {
	case Producer:
		if p := r.Producer; p.SendTimeout < 0 || p.Batching != (p.BatchingMaxPending > 0) || p.MaxPending < 0 {
			t.Fatalf("%+v", p)
		}
	case Consumer:
		c, o := r.Consumer, r.Consume
		if o.Window < 1 || o.Window > 1000 || c.Queue != o.Window || c.Subscription == "" || o.NackDelay < 0 {
			t.Fatalf("%+v %+v", c, o)
		}
	case Reader:
		if r.Read.Window < 1 || r.Read.Window > 1000 {
			t.Fatalf("%+v", r.Read)
		}
	}
}
