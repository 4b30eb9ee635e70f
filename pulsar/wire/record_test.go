//go:build pulsar

package wire

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

var update = flag.Bool("update", false, "write "+recordedFile)

// tap stands between a client and the broker and keeps the frames that go by. The
// addresses in LOOKUP_RESPONSE are changed to its own, in what goes on to the client.
type tap struct {
	listener net.Listener
	broker   string // host:port
	client   string // "go" or "java"

	mu     sync.Mutex // guards frames, conns
	frames []recorded
	conns  []net.Conn

	wg sync.WaitGroup
}

func newTap(t *testing.T, broker, client string) *tap {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{listener: l, broker: broker[len("pulsar://"):], client: client}
	p.wg.Go(p.accept)
	return p
}

func (p *tap) url() string { return "pulsar://" + p.listener.Addr().String() }

func (p *tap) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.broker)
		if err != nil {
			in.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, in, out)
		p.mu.Unlock()
		p.wg.Go(func() { p.pass(in, out, p.client) })
		p.wg.Go(func() { p.pass(out, in, "broker to "+p.client) })
	}
}

// pass hands on what comes from one side.
func (p *tap) pass(from, to net.Conn, who string) {
	defer from.Close()
	defer to.Close()
	for {
		frame := make([]byte, 4, 1024)
		if _, err := io.ReadFull(from, frame); err != nil {
			return
		}
		_, n, err := Next(frame, 1<<30)
		if err != nil {
			return
		}
		frame = append(frame, make([]byte, n-4)...)
		if _, err := io.ReadFull(from, frame[4:]); err != nil {
			return
		}
		p.mu.Lock()
		p.frames = append(p.frames, recorded{who, frame})
		p.mu.Unlock()
		if f, _, err := Next(frame, 1<<30); err == nil && f.Type == TypeLookupResponse {
			var c LookupResponse
			if Parse(f.Body, &c) == nil && c.BrokerServiceURL != "" {
				c.BrokerServiceURL = p.url()
				frame = Append(nil, &c)
			}
		}
		if _, err := to.Write(frame); err != nil {
			return
		}
	}
}

// stop ends the tap and returns what it has seen.
func (p *tap) stop() []recorded {
	p.listener.Close()
	p.mu.Lock()
	for _, c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
	return p.frames
}

// TestRecord lets the Go and the Java client talk to a broker, and checks every frame of
// theirs.
func TestRecord(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
	defer cancel()
	cluster, err := pulsartest.Start(ctx, pulsartest.Options{BrokerConf: map[string]string{
		"acknowledgmentAtBatchIndexLevelEnabled":     "true",
		"exposingBrokerEntryMetadataToClientEnabled": "true",
		"brokerEntryMetadataInterceptors": "org.apache.pulsar.common.intercept.AppendBrokerTimestampMetadataInterceptor," +
			"org.apache.pulsar.common.intercept.AppendIndexMetadataInterceptor",
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := cluster.Admin.CreatePartitionedTopic(ctx, "persistent://public/default/parts", 3); err != nil {
		t.Fatal(err)
	}
	var list []recorded
	for _, client := range []struct {
		name string
		run  func(context.Context, string) error
	}{{"go", goClient}, {"java", javaClient}} {
		p := newTap(t, cluster.BrokerURL(), client.name)
		err := client.run(ctx, p.url())
		list = append(list, p.stop()...)
		if err != nil {
			t.Fatalf("%s client: %v", client.name, err)
		}
	}
	kinds := map[string]bool{}
	var out bytes.Buffer
	for _, r := range list {
		checkRecorded(t, r)
		if kind := r.kind(t); !kinds[kind] && len(r.frame) < 4096 {
			kinds[kind] = true
			fmt.Fprintf(&out, "%s: %s\n", r.from, hex.EncodeToString(r.frame))
		}
	}
	t.Logf("%d frames, of %d kinds", len(list), len(kinds))
	if *update {
		if err := os.WriteFile(recordedFile, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// kind is what tells recorded frames apart: who wrote it, and which fields it has.
func (r recorded) kind(t *testing.T) string {
	f, _, err := Next(r.frame, 1<<30)
	if err != nil {
		t.Fatalf("%s wrote %x: %v", r.from, r.frame, err)
	}
	kind := r.from + f.Type.String() + shape(f.Body)
	if len(f.Rest) > 0 {
		e, err := ParseEntry(f.Rest)
		if err != nil {
			t.Fatalf("%s wrote %x: %v", r.from, r.frame, err)
		}
		kind += fmt.Sprint(e.Broker != nil) + shape(e.Metadata)
	}
	return kind
}

// shape lists the numbers of a message's fields.
func shape(b []byte) string {
	var list []int
	for f := taken(b); f.num != 0; f.next() {
		list = append(list, int(f.num))
	}
	return fmt.Sprint(slices.Compact(list))
}

// javaClient runs testdata/java/Record.java with Pulsar's jars.
func javaClient(ctx context.Context, url string) error {
	lib, err := pulsartest.Fetch(ctx)
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "java", "--add-opens", "java.base/java.nio=ALL-UNNAMED",
		"--add-opens", "java.base/jdk.internal.misc=ALL-UNNAMED", "-cp", filepath.Join(lib, "*"), "testdata/java/Record.java", url).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// goClient does with the Go client what makes it write commands of all kinds.
func goClient(ctx context.Context, url string) (err error) {
	client, err := pulsar.NewClient(pulsar.ClientOptions{URL: url})
	if err != nil {
		return err
	}
	defer client.Close()
	const topic = "persistent://public/default/of-go"
	consumer, err := client.Subscribe(pulsar.ConsumerOptions{Topic: topic, SubscriptionName: "s", Type: pulsar.KeyShared, Name: "c",
		Properties: map[string]string{"a": "b"}, SubscriptionProperties: map[string]string{"c": "d"}, NackRedeliveryDelay: time.Millisecond,
		EnableBatchIndexAcknowledgment: true, AckWithResponse: true, SubscriptionInitialPosition: pulsar.SubscriptionPositionEarliest})
	if err != nil {
		return err
	}
	defer consumer.Close()
	var last pulsar.MessageID
	for i, o := range []pulsar.ProducerOptions{
		{DisableBatching: true},
		{BatchingMaxMessages: 2, CompressionType: pulsar.LZ4, Name: "named", Properties: map[string]string{"x": "y"}},
		{BatchingMaxMessages: 2, ProducerAccessMode: pulsar.ProducerAccessModeShared},
		{DisableBatching: true, EnableChunking: true, ChunkMaxMessageSize: 300, CompressionType: pulsar.ZSTD},
	} {
		o.Topic = topic
		producer, err := client.CreateProducer(o)
		if err != nil {
			return err
		}
		seq := int64(100)
		messages := []*pulsar.ProducerMessage{
			{Payload: []byte("plain")},
			{Payload: []byte("full"), Key: "key", OrderingKey: "order", Properties: map[string]string{"p": "q"}, EventTime: time.Unix(1, 0), SequenceID: &seq},
			{Payload: bytes.Repeat([]byte("long "), 200), DisableReplication: true},
		}
		if i == 0 { // none is empty: the Go client calls those corrupted
			messages = append(messages, &pulsar.ProducerMessage{Payload: []byte("later"), DeliverAfter: time.Millisecond, ReplicationClusters: []string{"standalone"}})
		}
		for _, m := range messages {
			producer.SendAsync(ctx, m, func(id pulsar.MessageID, _ *pulsar.ProducerMessage, e error) { err = errors.Join(err, e); last = id })
		}
		if e := producer.FlushWithCtx(ctx); errors.Join(err, e) != nil {
			return errors.Join(err, e)
		}
		for n := range messages {
			m, err := consumer.Receive(ctx)
			if err != nil {
				return err
			}
			if n == 0 {
				consumer.Nack(m)
				if m, err = consumer.Receive(ctx); err != nil {
					return err
				}
			}
			if err := consumer.Ack(m); err != nil {
				return err
			}
		}
		producer.Close()
	}
	if err := consumer.Seek(last); err != nil {
		return err
	}
	if err := consumer.SeekByTime(time.Now()); err != nil {
		return err
	}
	reader, err := client.CreateReader(pulsar.ReaderOptions{Topic: topic, StartMessageID: pulsar.EarliestMessageID()})
	if err != nil {
		return err
	}
	defer reader.Close()
	for reader.HasNext() {
		if _, err := reader.Next(ctx); err != nil {
			return err
		}
	}
	parts, err := client.CreateProducer(pulsar.ProducerOptions{Topic: "persistent://public/default/parts"})
	if err != nil {
		return err
	}
	defer parts.Close()
	pattern, err := client.Subscribe(pulsar.ConsumerOptions{TopicsPattern: "persistent://public/default/.*", SubscriptionName: "p", Type: pulsar.Failover})
	if err != nil {
		return err
	}
	defer pattern.Close()
	return consumer.Unsubscribe()
}
