package config

import (
	"fmt"
	"strings"

	"github.com/pulsegate/pulsegate/keystore"
)

// checkStore refuses the format of a store that is used and cannot be read.
func (c *Config) checkStore(file, typeKey, name string) []error {
	if file == "" || keystore.KnownType(name) {
		return nil
	}
	return []error{fmt.Errorf("%s=%s (%s): it must be one of %s: convert another store with keytool -importkeystore -deststoretype PKCS12",
		typeKey, name, c.source(typeKey), strings.Join(keystore.Types, ", "))}
}

// settleBrokerStores checks what the keys of the stores towards the brokers say together.
func (c *Config) settleBrokerStores() (notices []Notice, errs []error) {
	unused := []string{"brokerClient_tlsKeyStorePath", "brokerClient_tlsTrustStorePath"}
	if c.BrokerClientUseKeyStore {
		errs = append(c.checkStore(c.BrokerClientKeyStore, "brokerClient_tlsKeyStoreType", c.BrokerClientKeyStoreType),
			c.checkStore(c.BrokerClientTrustStore, "brokerClient_tlsTrustStoreType", c.BrokerClientTrustStoreType)...)
		unused = []string{"brokerClientTrustCertsFilePath", "brokerClient_tlsCertificateFilePath", "brokerClient_tlsKeyFilePath"}
	}
	for _, key := range unused {
		if c.source(key) != (Source{}) && c.settings[byName[key]].value != "" {
			notices = append(notices, Notice{Kind: Ignored, Key: key, Source: c.source(key),
				Text: fmt.Sprintf("brokerClient_useKeyStoreTls=%v", c.BrokerClientUseKeyStore)})
		}
	}
	return notices, errs
}
