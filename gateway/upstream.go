package gateway

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/embedded"
	"github.com/pulsegate/pulsegate/bridge/pulsar"
	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/keystore"
	"github.com/pulsegate/pulsegate/memory"
)

// openUpstream returns the upstream to serve from and, for topics in this
// process, the handler of their admin API.
func openUpstream(cfg *config.Config, inProcess bool, budget *memory.Budget, log *slog.Logger) (bridge.Upstream, http.Handler, error) {
	if inProcess {
		up := embedded.New(embedded.Options{MemoryLimit: cfg.EmbeddedMemoryLimitBytes})
		return up, up.Admin(), nil
	}
	if err := cfg.RequireCluster(); err != nil {
		return nil, nil, err
	}
	up, err := pulsar.New(pulsarOptions(cfg, budget, log))
	if err != nil {
		return nil, nil, fmt.Errorf("connect to the Pulsar cluster: %w", err)
	}
	return up, nil, nil
}

func pulsarOptions(cfg *config.Config, budget *memory.Budget, log *slog.Logger) pulsar.Options {
	o := pulsar.Options{
		AdminURL:       cfg.AdminURL(),
		AdminFromStore: cfg.AdminFromStore(),
		Store: pulsar.ConfigurationStore{
			Servers: cfg.ConfigurationStore.Servers,
			Chroot:  cfg.ConfigurationStore.Chroot,
			Cluster: cfg.ClusterName,
			Timeout: cfg.MetadataStoreSessionTimeout,
		},
		TLS: pulsar.TLS{
			Prefer:          cfg.BrokerClientTLSEnabled,
			TrustCertsFile:  cfg.BrokerClientTrustCertsFile,
			CertificateFile: cfg.BrokerClientTLSCertificateFile,
			KeyFile:         cfg.BrokerClientTLSKeyFile,
			AllowInsecure:   cfg.TLSAllowInsecure,
			VerifyHostname:  cfg.TLSHostnameVerification,
		},
		AuthPlugin:           cfg.BrokerClientAuthPlugin,
		AuthParams:           string(cfg.BrokerClientAuthParams),
		CryptoKeyDirectory:   cfg.CryptoKeyDirectory,
		ConnectionsPerBroker: cfg.ConnectionsPerBroker,
		MaxPrincipals:        cfg.MaxOriginalPrincipals,
		AsProxy:              cfg.ForwardOriginalPrincipal,
		Memory:               budget,
		OperationTimeout:     cfg.BrokerClientOperationTimeout,
		ConnectionTimeout:    cfg.BrokerClientConnectionTimeout,
		KeepAlive:            cfg.BrokerClientKeepAliveInterval,
		ListenerName:         cfg.BrokerClientListenerName,
		Logger:               log,
	}
	if cfg.BrokerClientUseKeyStore {
		o.TLS.TrustCertsFile, o.TLS.CertificateFile, o.TLS.KeyFile = "", "", ""
		o.TLS.TrustStore, o.TLS.KeyStore = brokerStores(cfg)
	}
	// Any of the keys may hold an address of either protocol.
	if url := cfg.UpstreamURL(); isHTTP(url) {
		o.ServiceURL = url
	} else {
		o.BrokerServiceURL = url
	}
	return o
}

// brokerStores are the stores of the connections to the brokers.
func brokerStores(cfg *config.Config) (trust, key keystore.Store) {
	return keystore.Store{Setting: "brokerClient_tlsTrustStorePath", File: cfg.BrokerClientTrustStore, Password: string(cfg.BrokerClientTrustStorePassword)},
		keystore.Store{Setting: "brokerClient_tlsKeyStorePath", File: cfg.BrokerClientKeyStore, Password: string(cfg.BrokerClientKeyStorePassword)}
}

func isHTTP(url string) bool {
	return strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://")
}
