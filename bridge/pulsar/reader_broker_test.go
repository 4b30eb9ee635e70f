//go:build pulsar

package pulsar

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/crypto"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// TestReaderUnloaded unloads a topic again before its readers are back: each gets what is published, once and in order, also if the
// broker forgot it while it reconnected.
func TestReaderUnloaded(t *testing.T) {
	c := pulsartest.Shared(t)
	ctx := testContext(t)
	topic := "persistent://" + c.Namespace(t) + "/t"
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL(), ConnectionsPerBroker: 2})
	defer u.Close()
	var readers []*events
	for range 20 {
		in := newEvents()
		r, err := u.OpenReader(ctx, bridge.ReaderSpec{Topic: topic, Queue: 10}, in)
		if err != nil {
			t.Fatal(err)
		}
		r.Permit(1000)
		readers = append(readers, in)
	}
	p, err := u.CreateProducer(ctx, bridge.ProducerSpec{Topic: topic})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 20 {
		for range 1 + round%3 {
			if err := c.Admin.UnloadTopic(ctx, topic); err != nil {
				t.Fatal(err)
			}
		}
		sent := make(sentTo, 1)
		p.Send(&bridge.Outgoing{Payload: strconv.AppendInt(nil, int64(round), 10)}, sent)
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		for i, in := range readers {
			select {
			case m := <-in.messages:
				if string(m.Payload) != strconv.Itoa(round) {
					t.Fatalf("reader %d got %s after %d", i, m.Payload, round-1)
				}
			case <-ctx.Done():
				t.Fatalf("reader %d did not get message %d", i, round)
			}
		}
	}
}

// trash makes each payload one that cannot be decompressed.
type trash struct{ noKeys }

func (trash) Encrypt([]string, crypto.KeyReader, crypto.MessageMetadataSupplier, []byte) ([]byte, error) {
	return []byte("trash"), nil
}

// TestReaderPassesOverWhatIsDeleted begins at a message that the broker has deleted, behind which there is nothing, and then only one that cannot be
// read: both have passed, though nothing came.
func TestReaderPassesOverWhatIsDeleted(t *testing.T) {
	c := pulsartest.Shared(t)
	if !c.AtLeast(2, 11) {
		t.Skip("this broker cannot be told to trim a topic")
	}
	ctx := testContext(t)
	topic := "persistent://" + c.Namespace(t) + "/t"
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL()})
	defer u.Close()
	p, err := u.CreateProducer(ctx, bridge.ProducerSpec{Topic: topic})
	if err != nil {
		t.Fatal(err)
	}
	sent := make(sentIDs, 1)
	p.Send(&bridge.Outgoing{Payload: []byte("deleted")}, sent)
	deleted := <-sent
	p.Close()
	if err := c.Admin.UnloadTopic(ctx, topic); err != nil { // the next one goes to another ledger
		t.Fatal(err)
	}
	if err := c.Admin.Do(ctx, http.MethodPost, "/admin/v2/persistent/"+strings.TrimPrefix(topic, "persistent://")+"/trim", nil, nil); err != nil {
		t.Fatal(err)
	}
	in := newEvents()
	r, err := u.OpenReader(ctx, bridge.ReaderSpec{Topic: topic, Start: bridge.StartAtPosition, Position: deleted, Inclusive: true, Queue: 1}, in)
	if err != nil {
		t.Fatal(err)
	}
	r.Permit(1)
	passes := func(id codec.MessageID) {
		t.Helper()
		for passed := false; !passed; {
			if passed, err = r.Passed(ctx, id.Position()); err != nil {
				t.Fatal(err)
			}
		}
	}
	passes(deleted)
	other, err := nativeClient(t, c).CreateProducer(pulsar.ProducerOptions{
		Topic: topic, CompressionType: pulsar.LZ4, DisableBatching: true,
		Encryption: &pulsar.ProducerEncryptionInfo{Keys: []string{"k"}, KeyReader: noKeys{}, MessageCrypto: trash{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Send(ctx, &pulsar.ProducerMessage{Payload: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	last, err := r.LastPosition(ctx)
	if err != nil || last[0].LedgerID == deleted.LedgerID {
		t.Fatalf("the last message is %+v, that was %+v, %v", last, deleted, err)
	}
	passes(last[0])
	if n := len(in.messages); n > 0 {
		t.Errorf("%d messages came", n)
	}
}

// sentIDs takes the id of one publish.
type sentIDs chan codec.MessageID

// Sent implements [bridge.SendDone].
func (s sentIDs) Sent(id codec.MessageID, _ error) { s <- id }
