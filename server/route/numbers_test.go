package route_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/embedded"
	"github.com/pulsegate/pulsegate/bridge/hub"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/server/route"
)

// mostAllocated bounds what the process allocates for one session of the table,
// whatever its client asks for: what a session with the defaults takes, and room
// for what goes on beside it.
const mostAllocated = 4 << 20

// extremes are numbers that clients may write. Each must be refused or do no harm.
var extremes = []string{
	"0", "1", "-1", "2", "1000", "100000", "1000000000", "2147483647", "2147483648", "-2147483648", "-2147483649",
	"4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1e9", "0x7fffffff",
}

// numbers are all parameters that are numbers, by the kind of the session, with
// parameters beside which they count.
var numbers = map[string][]struct{ name, with string }{
	"producer": {
		{"sendTimeoutMillis", ""}, {"initialSequenceId", ""}, {"batchingMaxMessages", "batchingEnabled=true"},
		{"maxPendingMessages", "batchingEnabled=true"}, {"batchingMaxPublishDelay", "batchingEnabled=true"},
	},
	"consumer": {
		{"receiverQueueSize", "subscriptionType=Shared"}, {"ackTimeoutMillis", "subscriptionType=Shared"}, {"priorityLevel", "subscriptionType=Shared"},
		{"negativeAckRedeliveryDelay", "subscriptionType=Shared"}, {"maxRedeliverCount", "subscriptionType=Shared"}, {"receiverQueueSize", "pullMode=true"},
	},
	"reader": {{"receiverQueueSize", ""}},
}

// ids are message ids with numbers that no broker gave out.
func ids() (texts []string) {
	for _, n := range []int64{0, 1, -1, 1 << 16, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64} {
		for _, id := range []codec.MessageID{
			{LedgerID: n, EntryID: 1, Partition: -1, BatchIndex: -1}, {LedgerID: 1, EntryID: n, Partition: -1, BatchIndex: -1},
			{LedgerID: 1, EntryID: 1, Partition: int32(n), BatchIndex: -1}, {LedgerID: 1, EntryID: 1, Partition: -1, BatchIndex: int32(n)},
			{LedgerID: 1, EntryID: 1, Partition: -1, BatchIndex: 0, BatchSize: int32(n)}, {LedgerID: n, EntryID: n, Partition: int32(n), BatchIndex: int32(n), BatchSize: int32(n)},
		} {
			texts = append(texts, string(id.AppendText(nil)))
		}
	}
	return texts
}

// frames are what clients of each kind may send, with a number in all places.
func frames(kind string) (all []string) {
	switch kind {
	case "producer":
		for _, n := range extremes {
			for _, field := range []string{"deliverAt", "deliverAfterMs", "uncompressedMessageSize", "context", "key"} {
				all = append(all, fmt.Sprintf(`{"payload":"aGk=",%q:%s}`, field, n), fmt.Sprintf(`{"payload":"aGk=",%q:%q}`, field, n))
			}
		}
		for _, year := range []string{"0000", "1969", "9999", "+10000", "+292278994", "+999999999", "-999999999"} {
			all = append(all, fmt.Sprintf(`{"payload":"aGk=","eventTime":"%s-01-01T00:00:00Z"}`, year))
		}
	default:
		for _, n := range extremes {
			all = append(all, fmt.Sprintf(`{"type":"permit","permitMessages":%s}`, n), fmt.Sprintf(`{"type":"permit","permitMessages":%q}`, n))
		}
		for _, id := range ids() {
			all = append(all, fmt.Sprintf(`{"messageId":%q}`, id), fmt.Sprintf(`{"type":"negativeAcknowledge","messageId":%q}`, id))
		}
	}
	return all
}

// outlet is a client that reads everything and keeps nothing.
type outlet struct{}

func (outlet) Wake()                          {}
func (outlet) Resume()                        {}
func (outlet) End(codec.Code, string)         {}
func (outlet) RemoteAddr() string             { return "192.0.2.1:1" }
func (outlet) Now() time.Duration             { return 0 }
func (outlet) Room() bool                     { return true }
func (outlet) Append(add func([]byte) []byte) { add(nil) }
func (outlet) Shared(*ws.Frame)               {}

// open opens the session of a request.
func open(b *hub.Hub, r *route.Request) (bridge.Session, error) {
	type outcome struct {
		s   bridge.Session
		err error
	}
	got := make(chan outcome, 1)
	done := func(s bridge.Session, err error) { got <- outcome{s, err} }
	switch r.Kind {
	case route.Producer:
		b.Produce(r.Producer, outlet{}, done)
	case route.Consumer:
		b.Consume(r.Consumer, r.Consume, outlet{}, done)
	default:
		b.Read(r.Reader, r.Read, outlet{}, done)
	}
	o := <-got
	return o.s, o.err
}

// try opens a session, lets its client send frames, and closes it. It returns how
// much the process allocated meanwhile.
func try(t *testing.T, b *hub.Hub, path, query string, send []string) (allocated uint64) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := route.Parse(path, query, route.Options{})
	if err != nil {
		name, _, _ := strings.Cut(query[strings.LastIndexByte(query, '&')+1:], "=")
		if e := (*route.Error)(nil); !errors.As(err, &e) || e.Status != 400 || !strings.Contains(e.Reason, name) {
			t.Errorf("%s?%s: %v", path, query, err)
		}
		return 0
	}
	s, err := open(b, r)
	if err != nil {
		if e := (*bridge.Error)(nil); !errors.As(err, &e) || !errors.Is(e, bridge.ErrInvalid) && !errors.Is(e, bridge.ErrNotFound) {
			t.Errorf("%s?%s: %v", path, query, err)
		}
		return 0
	}
	for _, frame := range send {
		if err := s.Handle([]byte(frame)); err != nil {
			if e := (*codec.Error)(nil); !errors.As(err, &e) {
				t.Errorf("%s?%s: %s: %v", path, query, frame, err)
			}
		}
		s.Fill(outlet{})
	}
	s.Close()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// numbersAreBounded tries all numbers that a client may give, on topics of a
// namespace such as public/default.
func numbersAreBounded(t *testing.T, up bridge.Upstream, namespace string) {
	b := hub.New(up, hub.Options{})
	defer b.Close()
	check := func(path, query string, send []string) {
		t.Helper()
		if n := try(t, b, path, query, send); n > mostAllocated {
			t.Errorf("%s?%s: %d bytes were allocated", path, query, n)
		}
	}
	subscriptions := 0
	path := func(kind string) string {
		p := "/ws/v2/" + kind + "/persistent/" + namespace + "/numbers"
		if kind == "consumer" {
			subscriptions++ // no session finds another one's
			p += fmt.Sprintf("/s%d", subscriptions)
		}
		return p
	}
	check(path("producer"), "", nil) // connects, and makes the topic
	for kind, params := range numbers {
		for _, p := range params {
			for _, n := range extremes {
				query := p.name + "=" + n
				if p.with != "" {
					query = p.with + "&" + query
				}
				check(path(kind), query, []string{`{"payload":"aGk=","type":"permit","permitMessages":1}`})
			}
		}
		check(path(kind), "", frames(kind))
	}
	keys := base64.StdEncoding.EncodeToString([]byte(`{"k":{"keyValue":"AAEC"}}`))
	for _, n := range extremes {
		check(path("producer"), "encryptionKeys="+url.QueryEscape(keys), []string{
			fmt.Sprintf(`{"payload":"aGk=","encryptionParam":"AAEC","compressionType":"LZ4","uncompressedMessageSize":%s}`, n)})
	}
	for _, id := range ids() {
		check(path("reader"), "messageId="+url.QueryEscape(id), nil)
	}
	check(path("consumer"), "pullMode=true&subscriptionType=Shared", frames("consumer"))
}

func TestNumbersAreBounded(t *testing.T) {
	up := embedded.New(embedded.Options{})
	defer up.Close()
	numbersAreBounded(t, up, "public/default")
}
