package pulsar

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/codec"
	client "github.com/pulsegate/pulsegate/pulsar"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// What a message says of itself arrives, in a batch or not, and stays when the client reads the next one into the same place.
func TestFromReceived(t *testing.T) {
	payload := []byte("payload")
	properties := []client.KeyValue{{Key: "a", Value: "1"}}
	m := &client.Received{
		ID:      client.MessageID{LedgerID: 1, EntryID: 2, Partition: 3, BatchIndex: 4, BatchSize: 5},
		Payload: payload, Redelivered: 6, Metadata: &wire.Metadata{PublishTime: 7000, PartitionKey: "not this", HasPartitionKey: true, EventTime: 9},
		Single: &wire.SingleMetadata{HasPartitionKey: true, Properties: properties, EventTime: 8000},
	}
	got := fromReceived(m, "topic")
	payload[0], properties[0] = 'X', client.KeyValue{}
	want := &codec.Message{
		ID:      codec.MessageID{LedgerID: 1, EntryID: 2, Partition: 3, BatchIndex: 4, BatchSize: 5, Topic: "topic"},
		Payload: []byte("payload"), Properties: map[string]string{"a": "1"}, HasKey: true, RedeliveryCount: 6,
		PublishTime: time.UnixMilli(7000), EventTime: time.UnixMilli(8000),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}

	// Event times before 1970 and far ahead are times as others are.
	for _, text := range []string{"1969-12-31T23:59:59Z", "-0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"} {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			at = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)
		}
		m := &client.Received{Metadata: &wire.Metadata{EventTime: uint64(at.UnixMilli())}}
		if got := fromReceived(m, "").EventTime; !got.Equal(at) {
			t.Errorf("%s became %s", at, got)
		}
	}

	// A batch of one shows none, and there are messages without a time, a key, properties.
	m = &client.Received{ID: client.MessageID{LedgerID: 1, BatchSize: 1, Partition: -1}, Metadata: &wire.Metadata{}, Single: &wire.SingleMetadata{}}
	got = fromReceived(m, "")
	if want := (codec.MessageID{LedgerID: 1, Partition: -1, BatchIndex: -1}); got.ID != want {
		t.Errorf("a batch of one: %+v", got.ID)
	}
	if got.HasKey || got.Properties != nil || !got.EventTime.IsZero() || got.Encryption != nil {
		t.Errorf("a message that says nothing: %+v", got)
	}
}

// What cannot be decrypted comes with what is needed to do so elsewhere.
func TestFromSealed(t *testing.T) {
	value, param := []byte("value"), []byte("param")
	m := &client.Received{Sealed: errNoKey, Payload: []byte("x"), Metadata: &wire.Metadata{
		EncryptionParam: param, Compression: wire.LZ4, UncompressedSize: 10, IsBatch: true, NumMessagesInBatch: 3,
		EncryptionKeys: []wire.EncryptionKeys{{Key: "k", Value: value, Metadata: []wire.KeyValue{{Key: "version", Value: "1"}}}},
	}}
	got := fromReceived(m, "").Encryption
	value[0], param[0] = 'X', 'X'
	want := &codec.EncryptionContext{
		Keys:  []codec.EncryptionKey{{Name: "k", Value: []byte("value"), Metadata: map[string]string{"version": "1"}}},
		Param: []byte("param"), CompressionType: "LZ4", UncompressedMessageSize: 10, BatchSize: 3,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestToID(t *testing.T) {
	for _, id := range []codec.MessageID{
		{LedgerID: 1, EntryID: 2, Partition: -1, BatchIndex: -1},
		{LedgerID: 1, EntryID: 2, Partition: 3, BatchIndex: 4, BatchSize: 5},
	} {
		to := toID(&id)
		if back := fromID(&to, ""); back != id {
			t.Errorf("%+v became %+v", id, back)
		}
	}
	// In Java's ids the only message of an entry has the place 0 in a batch of one, or none.
	java := codec.MessageID{LedgerID: 1, EntryID: 2, BatchSize: 1}
	if to := toID(&java); to.BatchIndex != -1 || to.BatchSize != 0 {
		t.Errorf("%+v", to)
	}
}

// A message that repeats a key, or names very many, does not cost more than others.
func TestDecryptTriesEachNameOnce(t *testing.T) {
	keys, err := openKeys(writeKeys(t, "k1"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := newEncrypter(keys, []string{"k1"}, atOnce)
	if err != nil {
		t.Fatal(err)
	}
	sealed, how := e.Encrypt([]byte("text"))
	m := &wire.Metadata{EncryptionParam: how.Param, EncryptionKeys: how.Keys}
	d := newDecrypter(keys)
	if plain, err := d.decrypt(m, sealed); err != nil || !bytes.Equal(plain, []byte("text")) {
		t.Fatalf("%q, %v", plain, err)
	}
	m.EncryptionKeys = append([]wire.EncryptionKeys{{Key: "k1", Value: []byte("other")}}, how.Keys...)
	if _, err := d.decrypt(m, sealed); err == nil {
		t.Error("a name was tried twice")
	}
	m.EncryptionKeys = nil
	for range maxNames {
		m.EncryptionKeys = append(m.EncryptionKeys, wire.EncryptionKeys{Key: "none", Value: []byte("other")})
	}
	m.EncryptionKeys = append(m.EncryptionKeys, how.Keys...)
	if _, err := d.decrypt(m, sealed); err == nil {
		t.Error("all names were tried")
	}
}
