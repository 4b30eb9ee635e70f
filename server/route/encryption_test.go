package route

import (
	"encoding/base64"
	"net/url"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
)

func TestEncryptionKeys(t *testing.T) {
	parse := func(query string) bridge.ProducerSpec {
		t.Helper()
		r, err := Parse("/ws/v2/producer/persistent/public/default/t", query, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return r.Producer
	}
	for query, want := range map[string]string{
		"encryptionKeys=k1":              "k1",
		"encryptionKeys=k2,%20k1,,k2":    "k1,k2",
		"encryptionKeys=eyes":            "eyes", // base64 that begins with a brace
		"encryptionKeys=my-app.2026%2Fx": "my-app.2026/x",
	} {
		if s := parse(query + "&compressionType=LZ4&batchingEnabled=true"); s.EncryptionKeys != want || s.ClientEncryption != "" || !s.Batching || s.Compression != bridge.LZ4 {
			t.Errorf("%s: %+v", query, s)
		}
	}
	own := base64.StdEncoding.EncodeToString([]byte(`{"k1":{"keyValue":"AAEC","metadata":{"version":"1"}}}`))
	s := parse("compressionType=LZ4&batchingEnabled=true&encryptionKeys=" + url.QueryEscape(own))
	if s.ClientEncryption != own || s.EncryptionKeys != "" || s.Batching || s.Compression != bridge.NoCompression {
		t.Errorf("%+v", s)
	}
}
