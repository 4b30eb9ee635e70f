//go:build pulsar

package pulsar

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/keystore"
	"github.com/pulsegate/pulsegate/test/port"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// A broker that has its certificates in JKS stores, and demands one of its clients, is
// reached with stores that keytool made, over its binary protocol and its admin API.
func TestStoresWithBroker(t *testing.T) {
	stores, err := filepath.Abs("../../keystore/testdata")
	if err != nil {
		t.Fatal(err)
	}
	ports, err := port.Free(2)
	if err != nil {
		t.Fatal(err)
	}
	starting, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c, err := pulsartest.Start(starting, pulsartest.Options{BrokerConf: map[string]string{
		"brokerServicePortTls": strconv.Itoa(ports[0]), "webServicePortTls": strconv.Itoa(ports[1]),
		"tlsEnabledWithKeyStore": "true", "tlsRequireTrustedClientCertOnConnect": "true",
		"tlsKeyStoreType": "JKS", "tlsKeyStore": stores + "/key.jks", "tlsKeyStorePassword": storePassword,
		"tlsTrustStoreType": "JKS", "tlsTrustStore": stores + "/trust.jks", "tlsTrustStorePassword": storePassword,
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	o := Options{
		BrokerServiceURL: "pulsar+ssl://localhost:" + strconv.Itoa(ports[0]), AdminURL: "https://localhost:" + strconv.Itoa(ports[1]),
		TLS: TLS{
			VerifyHostname: true,
			KeyStore:       keystore.Store{Setting: "key", File: stores + "/key.jks", Password: storePassword},
			TrustStore:     keystore.Store{Setting: "trust", File: stores + "/trust.jks", Password: storePassword},
		},
	}
	u := newUpstream(t, o)
	defer u.Close()
	topic := "persistent://" + c.Namespace(t) + "/t"
	sendAll(t, u, bridge.ProducerSpec{Topic: topic, SendTimeout: 30 * time.Second}, texts("one")...)
	e, _ := openEvents(t, u, bridge.ConsumerSpec{Topic: topic, Subscription: "s"})
	if m := nextMessage(t, e); string(m.Payload) != "one" {
		t.Errorf("%q", m.Payload)
	}
	if found, err := u.AdminGet(testContext(t), topicPath(topic)+"/stats", new(struct{})); err != nil || !found {
		t.Errorf("the admin API tells of the topic: %v, %v", found, err)
	}
}
