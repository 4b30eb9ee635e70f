package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

func producerOptionCases() Area {
	var cases []Case
	cases = append(cases, producerBadParameters()...)
	cases = append(cases, producerParameters()...)
	cases = append(cases, partitionCases()...)
	return Area{Name: "Producer: query parameters", Cases: cases}
}

// badValues is a case of values of one parameter that are refused with 400.
// with holds parameters without which the value would not count.
func badValues(id string, path func(t *T, params ...string) string, name string, values []string, with ...string) Case {
	return Case{ID: id, Text: fmt.Sprintf("%s %s is 400", name, strings.Join(quoted(values), ", ")), Run: func(t *T) {
		for _, v := range values {
			t.Refused(400, "Invalid query params", path(t, append([]string{name + "=" + v}, with...)...))
		}
	}}
}

func quoted(values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, fmt.Sprintf("%q", v))
	}
	return out
}

func newProducer(t *T, params ...string) string { return ProducerPath(t.Topic(), params...) }

func producerBadParameters() []Case {
	bad := func(name string, values []string, with ...string) Case {
		return badValues("producer-param/bad-"+name, newProducer, name, values, with...)
	}
	return []Case{
		bad("hashingScheme", []string{"foo", "javaStringHash", ""}),
		bad("sendTimeoutMillis", []string{"x", "-1", "", "1.5"}),
		bad("batchingMaxMessages", []string{"x", "1.5"}, "batchingEnabled=true"),
		bad("maxPendingMessages", []string{"x", "-1"}, "batchingEnabled=true"),
		bad("batchingMaxPublishDelay", []string{"x", "0", "-1"}, "batchingEnabled=true"),
		bad("messageRoutingMode", []string{"foo", "roundRobinPartition", ""}),
		bad("compressionType", []string{"foo", "lz4", ""}),
		bad("initialSequenceId", []string{"x", "1.5"}),
		bad("producerName", []string{""}),
		{ID: "producer-param/bad-encryptionKeys", Text: "encryptionKeys without a key reader is 400", Better: "Java answers 500", Run: func(t *T) {
			t.Refused(400, "", newProducer(t, "encryptionKeys=k1"))
		}},
		{ID: "producer-param/bad-names", Text: "a refusal names the parameter at fault", Better: `Java says only: For input string: "x"`, Run: func(t *T) {
			for _, name := range []string{"hashingScheme", "sendTimeoutMillis", "messageRoutingMode", "compressionType", "initialSequenceId"} {
				t.Refused(400, "Invalid query params.*"+name, newProducer(t, name+"=x"))
			}
			for _, name := range []string{"batchingMaxMessages", "maxPendingMessages", "batchingMaxPublishDelay"} {
				t.Refused(400, "Invalid query params.*"+name, newProducer(t, "batchingEnabled=true", name+"=x"))
			}
		}},
		{ID: "producer-param/largest", Text: "the largest number of 32 bits is taken for sendTimeoutMillis, batchingMaxMessages and maxPendingMessages; one more is 400", Run: func(t *T) {
			for name, with := range map[string]string{"sendTimeoutMillis": "x=y", "batchingMaxMessages": "batchingEnabled=true", "maxPendingMessages": "batchingEnabled=true"} {
				topic := t.Topic()
				t.Producer(topic, with, name+"=2147483647").Publish("a", "b")
				t.Reader(topic, "messageId=earliest").Take("a", "b")
				t.Refused(400, "Invalid query params", ProducerPath(topic, with, name+"=2147483648"))
			}
		}},
		{ID: "producer-param/sequence-id-range", Text: "initialSequenceId is any number of 64 bits; one more is 400", Run: func(t *T) {
			for _, n := range []string{"0", "-1", "9223372036854775806", "-9223372036854775808"} {
				t.Producer(t.Topic(), "initialSequenceId="+n).Publish("x")
			}
			for _, n := range []string{"9223372036854775808", "-9223372036854775809"} {
				t.Refused(400, "Invalid query params", newProducer(t, "initialSequenceId="+n))
			}
		}},
		{ID: "producer-param/batching-off-ignored", Text: "batchingMax* and maxPendingMessages count only with batchingEnabled=true", Run: func(t *T) {
			topic := t.Topic()
			t.Producer(topic, "batchingMaxMessages=x", "maxPendingMessages=x", "batchingMaxPublishDelay=x").Publish("a")
			t.Producer(topic, "batchingEnabled=maybe", "batchingMaxMessages=x").Publish("b")
			t.Reader(topic, "messageId=earliest").Take("a", "b")
		}},
	}
}

// entryHeaders reads what the broker stored of a message: the admin API gives an
// entry's metadata as headers.
func (t *T) entryHeaders(topic Topic, id string) http.Header {
	pos := parseID(t, id)
	url := fmt.Sprintf("%s/admin/v2/%s/ledger/%d/entry/%d", t.Endpoint.Admin, topic, pos.Ledger, pos.Entry)
	req, err := http.NewRequestWithContext(t.ctx, "GET", url, nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d", url, resp.StatusCode)
	}
	t.logf("%s: %v", url, resp.Header)
	return resp.Header
}

// noBroker skips a case that looks at what the broker stored.
func noBroker(why string) map[Kind]string { return map[Kind]string{Embedded: why} }

func producerParameters() []Case {
	return []Case{
		{ID: "producer-param/name", Text: "the producer's name is the one asked for", Skip: noBroker("no stored metadata to look at"), Run: func(t *T) {
			topic := t.Topic()
			id := t.Producer(topic, "producerName=the%20name").Publish("x")[0]
			if got := t.entryHeaders(topic, id).Get("X-Pulsar-producer-name"); got != "the name" {
				t.Fatalf("stored producer name %q", got)
			}
		}},
		{ID: "producer-param/name-again", Text: "a producer name is free again once its session has ended", Run: func(t *T) {
			topic := t.Topic()
			t.Producer(topic, "producerName=p").Close()
			t.Eventually("the name is free", func() bool {
				return t.status(ProducerPath(topic, "producerName=p")) == 101
			})
		}},
		{ID: "producer-param/name-killed", Text: "a producer name is free again once its client's connection was reset", Run: func(t *T) {
			topic := t.Topic()
			t.Producer(topic, "producerName=p").Kill()
			t.Eventually("the name is free", func() bool {
				return t.status(ProducerPath(topic, "producerName=p")) == 101
			})
		}},
		{ID: "producer-param/initial-sequence-id", Text: "sequence ids count on from initialSequenceId", Skip: noBroker("no stored metadata to look at"), Run: func(t *T) {
			topic := t.Topic()
			ids := t.Producer(topic, "producerName=p", "initialSequenceId=41").Publish("a", "b")
			for i, id := range ids {
				if got, want := t.entryHeaders(topic, id).Get("X-Pulsar-sequence-id"), fmt.Sprint(42+i); got != want {
					t.Fatalf("sequence id of message %d is %q, want %s", i, got, want)
				}
			}
		}},
		{ID: "producer-param/unbatched", Text: "without batching every message is an entry of its own", Run: func(t *T) {
			ids := publishAtOnce(t, t.Producer(t.Topic()), 20)
			if n := entries(ids); n != 20 {
				t.Fatalf("20 messages in %d entries: %v", n, ids)
			}
		}},
		{ID: "producer-param/send-timeout", Text: "sendTimeoutMillis of 0 is no limit and 20000 one that is not reached", Run: func(t *T) {
			topic := t.Topic()
			t.Producer(topic, "sendTimeoutMillis=0").Publish("a")
			t.Producer(topic, "sendTimeoutMillis=20000").Publish("b")
			t.Reader(topic, "messageId=earliest").Take("a", "b")
		}},
		{ID: "producer-param/terminated", Text: "publishing on a topic terminated meanwhile is error 8 with the context, the session stays", Run: func(t *T) {
			topic := t.Topic()
			p := t.Producer(topic)
			p.Publish("x")
			t.Terminate(topic)
			p.Ask(`{"payload":"aGk=","context":"c"}`, errReply(8, "c"))
			p.Ask(`{"payload":"*","context":"d"}`, errReply(7, "d"))
			p.Fence()
		}},
		compression("LZ4"), compression("ZLIB"), compression("ZSTD"), compression("SNAPPY"), compression("NONE"),
	}
}

// publishAtOnce sends n messages, "0" and up, in one write and returns their ids
// in the order sent. The replies of different partitions may overtake each other.
func publishAtOnce(t *T, p *Session, n int) []ID {
	var frames []Frame
	for i := range n {
		frames = append(frames, Frame{Op: OpText, Payload: fmt.Appendf(nil, `{"payload":%q,"context":"%d"}`, b64(fmt.Sprint(i)), i)})
	}
	p.SendFrames(frames...)
	ids := make([]ID, n)
	seen := make(map[int]bool)
	for range n {
		var r struct{ Result, MessageID, Context string }
		text := p.Recv()
		i := -1
		if err := json.Unmarshal([]byte(text), &r); err == nil && r.Result == "ok" {
			_, _ = fmt.Sscan(r.Context, &i)
		}
		if i < 0 || i >= n || seen[i] {
			t.Fatalf("reply %s", text)
		}
		seen[i] = true
		ids[i] = parseID(t, r.MessageID)
	}
	return ids
}

// entries counts the distinct entries of message ids.
func entries(ids []ID) int {
	seen := make(map[[2]int64]bool)
	for _, id := range ids {
		seen[[2]int64{id.Ledger, id.Entry}] = true
	}
	return len(seen)
}

func compression(kind string) Case {
	return Case{ID: "producer-param/compression-" + kind, Text: "messages compressed with " + kind + " are stored so and read back", Run: func(t *T) {
		topic := t.Topic()
		body := strings.Repeat("compress me well ", 500)
		id := t.Producer(topic, "compressionType="+kind).Publish(body)[0]
		t.Reader(topic, "messageId=earliest").Take(body)
		if t.Kind == Embedded {
			return // nothing is stored compressed there
		}
		if got := t.entryHeaders(topic, id).Get("X-Pulsar-compression"); got != kind && !(kind == "NONE" && got == "") {
			t.Fatalf("stored with compression %q", got)
		}
		t.nativeReceive(topic, body)
	}}
}

func partitionCases() []Case {
	return []Case{
		{ID: "partition/single", Text: "SinglePartition keeps messages without a key on one partition", Run: func(t *T) {
			topic := t.Topic()
			t.Partition(topic, 4)
			if used := partitions(publishAtOnce(t, t.Producer(topic), 12)); len(used) != 1 {
				t.Fatalf("messages per partition: %v", used)
			}
		}},
		{ID: "partition/round-robin", Text: "RoundRobinPartition spreads messages without a key evenly", Run: func(t *T) {
			topic := t.Topic()
			t.Partition(topic, 4)
			used := partitions(publishAtOnce(t, t.Producer(topic, "messageRoutingMode=RoundRobinPartition"), 12))
			if len(used) != 4 || used[0] != 3 || used[1] != 3 || used[2] != 3 || used[3] != 3 {
				t.Fatalf("messages per partition: %v", used)
			}
		}},
		{ID: "partition/custom", Text: "CustomPartition is accepted and publishes", Run: func(t *T) {
			topic := t.Topic()
			t.Producer(topic, "messageRoutingMode=CustomPartition").Publish("x")
			t.Reader(topic, "messageId=earliest").Take("x")
		}},
		keyHash("partition/java-string-hash", "JavaStringHash", []int64{1, 2, 3, 4, 5, 7, 4, 3, 0, 6}),
		keyHash("partition/murmur", "Murmur3_32Hash", []int64{2, 3, 0, 4, 2, 2, 2, 2, 0, 5}),
		{ID: "partition/consume", Text: "a consumer of a partitioned topic gets the messages of all partitions, each in order, and acks them", Run: func(t *T) {
			topic := t.Topic()
			t.Partition(topic, 3)
			c := t.Consumer(topic, "s")
			publishAtOnce(t, t.Producer(topic, "messageRoutingMode=RoundRobinPartition"), 30)
			last := map[int64]int{}
			for range 30 {
				m := c.Next()
				var n int
				_, _ = fmt.Sscan(m.Body, &n)
				part := parseID(t, m.MessageID).Partition
				if before, ok := last[part]; ok && before >= n {
					t.Fatalf("partition %d: %d behind %d", part, n, before)
				}
				last[part] = n
				c.Ack(m)
			}
			if len(last) != 3 {
				t.Fatalf("partitions seen: %v", last)
			}
			for part := range 3 {
				t.AwaitBacklog(Topic(fmt.Sprintf("%s-partition-%d", topic, part)), "s", 0)
			}
		}},
		{ID: "partition/ack-after-reconnect", Text: "an id of a partitioned topic that a former session received is acknowledged", Better: formerPartitioned, Run: func(t *T) {
			topic := t.Topic()
			t.Partition(topic, 3)
			c := t.Consumer(topic, "s", "subscriptionType=Shared")
			publishAtOnce(t, t.Producer(topic, "messageRoutingMode=RoundRobinPartition"), 6)
			var got []Message
			for range 6 {
				got = append(got, c.Next())
			}
			c.Close()
			t.ackPartitions(topic, got)
		}},
		{ID: "partition/one", Text: "a partition can be used as a topic of its own", Run: func(t *T) {
			topic := t.Topic()
			t.Partition(topic, 2)
			c := t.Consumer(topic, "s")
			id := t.Producer(topic + "-partition-1").Publish("x")[0]
			m := c.Take("x")[0]
			if a, b := parseID(t, id), parseID(t, m.MessageID); a.Ledger != b.Ledger || a.Entry != b.Entry || b.Partition != 1 {
				t.Fatalf("published as %v, received as %v", a, b)
			}
		}},
	}
}

const formerPartitioned = "Java silently drops acks of a partitioned topic's ids that a former session was given"

// ackPartitions acknowledges on a new session, of subscription "s", what a former
// one received from a topic of three partitions.
func (t *T) ackPartitions(topic Topic, got []Message) {
	d := t.reopen(ConsumerPath(topic, "s", "subscriptionType=Shared", "pullMode=true"))
	for _, m := range got {
		d.Ack(m)
	}
	for i := range 3 {
		t.AwaitBacklogSoon(Topic(fmt.Sprintf("%s-partition-%d", topic, i)), "s", 0)
	}
}

// partitions counts message ids by partition.
func partitions(ids []ID) map[int64]int {
	used := make(map[int64]int)
	for _, id := range ids {
		used[id.Partition]++
	}
	return used
}

// hashedKeys are keys of all kinds for the routing cases.
var hashedKeys = []string{"a", "b", "key-1", "key-2", "key-3", "order:4711", "ü", "😀", "", "a longer key with spaces"}

// keyHash is a case of keys routed with a hashing scheme, which every client of
// Pulsar has to route alike; want holds the partition of each of hashedKeys.
func keyHash(id, scheme string, want []int64) Case {
	return Case{ID: id, Text: "with " + scheme + " keys go to the partitions that Pulsar's other clients choose", Run: func(t *T) {
		topic := t.Topic()
		t.Partition(topic, 8)
		p := t.Producer(topic, "hashingScheme="+scheme, "messageRoutingMode=RoundRobinPartition")
		var got []int64
		for range 2 {
			for _, key := range hashedKeys {
				got = append(got, parseID(t, p.PublishJSON(fmt.Sprintf(`{"payload":"aGk=","key":%q}`, key))).Partition)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(slices.Concat(want, want)) {
			t.Fatalf("partitions %v, want %v twice", got, want)
		}
	}}
}
